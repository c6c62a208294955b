//! Tasks of the kind `analyze`: a whole project; a part of one, which asks the linters alone; and the analysis that comes after
//! the parts and takes over what they were told.

use serde_json::{Value, json};
use shim_proto::coordination::v1::TaskResult;
use shim_proto::evolution::v1::AnalysisReport;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::limits::evolution::DEFAULT_ITEMS;
use shim_proto::limits::task::MAX_RESULT_DATA_BYTES;
use shim_render::figures::count;
use shim_render::text::{name, one_line};
use shim_runtime::free_form;
use tokio::sync::mpsc;

use super::Attempt;
use super::arguments::Arguments;
use super::evolve::of;
use crate::analyzer::{AnalysisOptions, PartAnswers};
use crate::domain::analysis::shares::Share;
use crate::error::EvolutionError;

/// Opportunities and hotspots of a result: a model reads them.
const TOLD: usize = 10;
const WAITING: usize = 16;
/// What a part hands on, in the data of its result.
const ANSWERS: &str = "answers";

impl Attempt<'_> {
    pub(super) async fn analyze(
        &self,
        arguments: &Arguments,
    ) -> Result<TaskResult, EvolutionError> {
        if let Some(share) = arguments.share() {
            return self.analyze_part(arguments, share).await;
        }
        let options = AnalysisOptions {
            include: arguments.include.clone(),
            known: self.told_by_parts().await?,
            with_findings: false,
            first_picture_only: arguments.flag("first_picture_only"),
            limit: arguments.number("limit", DEFAULT_ITEMS) as usize,
            ..AnalysisOptions::default()
        };
        let with_history = arguments.flag("with_work_history");
        let (events, mut said) = mpsc::channel::<Event>(WAITING);
        let work =
            self.engine
                .analyze(&arguments.path, options, with_history, events, &self.cancel);
        let (report, ()) = tokio::join!(work, self.tell(&mut said));
        Ok(result(&report?))
    }

    async fn analyze_part(
        &self,
        arguments: &Arguments,
        share: Share,
    ) -> Result<TaskResult, EvolutionError> {
        let options = AnalysisOptions {
            include: arguments.include.clone(),
            share: Some(share),
            ..AnalysisOptions::default()
        };
        let (events, mut said) = mpsc::channel::<Event>(WAITING);
        let work = self
            .engine
            .analyze_part(&arguments.path, options, events, &self.cancel);
        let (told, ()) = tokio::join!(work, self.tell(&mut said));
        Ok(part_result(&told?, share))
    }

    /// What the tasks before this one told, if they are parts of its analysis. What is missing there is asked again.
    async fn told_by_parts(&self) -> Result<Vec<PartAnswers>, EvolutionError> {
        let mut told = Vec::new();
        for before in &self.claim.task.depends_on {
            let result = self.done_task(before).await?.result.unwrap_or_default();
            let data = result.data.as_ref().map(free_form::to_json);
            let text = data.as_ref().and_then(|data| data.get(ANSWERS));
            told.extend(
                text.and_then(Value::as_str)
                    .and_then(PartAnswers::from_text),
            );
        }
        Ok(told)
    }

    /// Tells of progress until the work has ended.
    pub(super) async fn tell(&self, said: &mut mpsc::Receiver<Event>) {
        while let Some(event) = said.recv().await {
            if let Event::Progress(progress) = event {
                self.progress.tell(&progress);
            }
        }
    }
}

/// What a part was told, for the analysis that comes after it.
fn part_result(told: &PartAnswers, share: Share) -> TaskResult {
    let Share { part, parts } = share;
    let mut text = format!(
        "part {part} of {parts}: {} in {}",
        count(told.findings() as u64, "finding"),
        count(told.files() as u64, "file")
    );
    let answers = told.to_text(MAX_RESULT_DATA_BYTES / 2);
    if !told.failure().is_empty() {
        text += &format!("; ESLint failed: {}", one_line(told.failure(), 300));
    } else if answers.is_none() {
        text += "; too many to be handed on, so the whole asks again";
    }
    let data = json!({
        "part": part,
        "parts": parts,
        "files": told.files(),
        "findings": told.findings(),
        ANSWERS: answers.unwrap_or_default(),
    });
    of(text, &data)
}

/// The report in short.
fn result(report: &AnalysisReport) -> TaskResult {
    let mut text = report.summary.clone();
    for (i, it) in report.opportunities.iter().take(TOLD).enumerate() {
        let place = it.location.clone().unwrap_or_default();
        text += &format!(
            "\n{}. {} ({}:{})",
            i + 1,
            one_line(&it.title, 160),
            name(&place.path, 160),
            place.line
        );
    }
    if !report.unread_files.is_empty() {
        text += &format!("\n{} files were not fully read", report.unread_files.len());
    }
    TaskResult {
        text,
        data: data(report).as_object().and_then(free_form::from_json),
        ..TaskResult::default()
    }
}

fn data(report: &AnalysisReport) -> Value {
    let opportunities = report.opportunities.iter().take(TOLD).map(|it| {
        let place = it.location.clone().unwrap_or_default();
        json!({
            "kind": it.kind,
            "title": it.title,
            "path": place.path,
            "line": place.line,
            "score": it.score,
            "transform": it.transform,
            "evidence": it.evidence.iter().take(3).map(|fact| &fact.text).collect::<Vec<_>>(),
        })
    });
    let hotspots = report.hotspots.iter().take(TOLD);
    json!({
        "analysis_id": report.analysis_id,
        "errors": report.errors,
        "warnings": report.warnings,
        "suppressed": report.suppressed,
        "unread_files": report.unread_files.len(),
        "opportunities": opportunities.collect::<Vec<_>>(),
        "hotspots": hotspots.map(|it| json!({"path": it.path, "score": it.score})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_proto::evolution::v1::{Location, Opportunity};

    use super::*;

    #[test]
    fn a_result_is_short_and_says_the_same_as_text_and_as_data() {
        let opportunity = Opportunity {
            title: "Split total\nin two".into(),
            location: Some(Location {
                path: "a.js".into(),
                line: 7,
                ..Location::default()
            }),
            ..Opportunity::default()
        };
        let report = AnalysisReport {
            summary: "12 files.".into(),
            opportunities: vec![opportunity; 30],
            errors: 2,
            ..AnalysisReport::default()
        };
        let result = result(&report);
        assert!(
            result
                .text
                .starts_with("12 files.\n1. Split total in two (a.js:7)\n2. ")
        );
        assert_eq!(result.text.lines().count(), 1 + TOLD);
        let data = free_form::to_json(&result.data.unwrap());
        assert_eq!(data["errors"], json!(2));
        assert_eq!(data["opportunities"].as_array().unwrap().len(), TOLD);
    }
}
