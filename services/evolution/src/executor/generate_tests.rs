//! Tasks of the kind `generate_tests`: the tests are a proposal, whose task waits for approval.

use serde_json::json;
use shim_proto::coordination::v1::TaskResult;
use shim_proto::evolution::v1::{TestFigures, TestGenerationReport};
use shim_proto::limits::evolution::DEFAULT_FUNCTIONS;
use shim_render::figures::{count, percent};
use shim_render::text::short_id;

use super::Attempt;
use super::arguments::Arguments;
use super::evolve::of;
use crate::engine::seed;
use crate::error::EvolutionError;
use crate::test_generator::Options;

impl Attempt<'_> {
    pub(super) async fn generate_tests(
        &self,
        arguments: &Arguments,
    ) -> Result<TaskResult, EvolutionError> {
        let options = Options {
            include: arguments.include.clone(),
            max_functions: arguments.number("max_functions", DEFAULT_FUNCTIONS) as usize,
            seed: seed(arguments.long_number("seed", 0)),
            run_limit: self.engine.config.test_timeout,
        };
        let report = self
            .engine
            .generate_tests(
                &arguments.path,
                &options,
                &self.sink(),
                &|_| {},
                &self.cancel,
            )
            .await?;
        let task_id = match &report.evolution {
            Some(evolution) => self.submit_gated(evolution).await?,
            None => String::new(),
        };
        Ok(result(&report, &task_id))
    }
}

/// The report in short.
fn result(report: &TestGenerationReport, task_id: &str) -> TaskResult {
    let evolution_id = report.evolution.as_ref().map_or("", |it| &it.evolution_id);
    let mut text = summary(report);
    if !evolution_id.is_empty() {
        text += &format!("\n`shim evolve show {}` shows them", short_id(evolution_id));
    }
    if !task_id.is_empty() {
        let id = short_id(task_id);
        text += &format!(", `shim tasks approve {id}` commits them on a branch");
    }
    let functions = report.functions.iter().map(|it| {
        json!({
            "path": it.path,
            "function": it.function,
            "kept": it.kept,
            "mutants": it.mutants,
            "killed_mutants": it.killed_mutants,
            "skipped": it.skipped,
        })
    });
    let data = json!({
        "evolution_id": evolution_id,
        "task_id": task_id,
        "test_runner": report.test_runner,
        "functions": functions.collect::<Vec<_>>(),
    });
    of(text, &data)
}

fn summary(report: &TestGenerationReport) -> String {
    let kept: u32 = report.functions.iter().map(|function| function.kept).sum();
    let share = |figures: Option<TestFigures>| match figures.unwrap_or_default().mutation_score {
        score if score < 0.0 => "not measured".to_owned(),
        score => percent(score),
    };
    format!(
        "{} kept for {}; mutants killed: {} before, {} after",
        count(kept.into(), "test"),
        count(report.functions.len() as u64, "function"),
        share(report.before),
        share(report.after)
    )
}
