//! New tests for a package: made, approved, and run once more by the package's own runner.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use shim_proto::evolution::v1::{Evolution, EvolutionState, TestGenerationReport};

use super::commits::compared;
use super::figures::Generating;
use super::lab::Lab;
use super::own_tests;
use crate::test_generator::Options;
use crate::tool_host::ProgressSink;

const MAX_FUNCTIONS: usize = 30;
const SEED: u64 = 7;

pub(super) async fn generated(lab: &Lab) -> Generating {
    let options = Options {
        include: lab.package.generate.clone(),
        max_functions: MAX_FUNCTIONS,
        seed: SEED,
        run_limit: Duration::from_secs(300),
    };
    let began = Instant::now();
    let progress = ProgressSink::none();
    let made = lab
        .engine
        .generate_tests(&lab.root, &options, &progress, &|_| {}, &lab.cancel)
        .await;
    let mut generating = match made {
        Ok(report) => of_report(lab, &report).await,
        Err(error) => Generating {
            error: error.to_string(),
            ..Generating::default()
        },
    };
    generating.seconds = began.elapsed().as_secs_f64();
    println!("  new tests: {generating:?}");
    generating
}

async fn of_report(lab: &Lab, report: &TestGenerationReport) -> Generating {
    let mut generating = figures(report);
    let Some(proposal) = &report.evolution else {
        return generating;
    };
    match lab.approve(proposal).await {
        Ok(done) if done.state() == EvolutionState::Committed => {
            let found = compared(lab, proposal, &done.commit);
            generating.beyond = found.beyond;
            match run_again(lab, &report.test_runner, &done) {
                Ok(passed) => generating.passed = passed,
                Err(why) => generating.error = why,
            }
        }
        Ok(done) => generating.error = format!("discarded: {}", done.reason),
        Err(error) => generating.error = format!("not approved: {error}"),
    }
    generating
}

fn figures(report: &TestGenerationReport) -> Generating {
    let functions = &report.functions;
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    for function in functions.iter().filter(|it| it.kept == 0) {
        *skipped.entry(&function.skipped).or_default() += 1;
    }
    let share = |of: fn(&shim_proto::evolution::v1::TestFigures) -> f64| {
        let (before, after) = (report.before.as_ref(), report.after.as_ref());
        (before.map_or(-1.0, of), after.map_or(-1.0, of))
    };
    Generating {
        runner: report.test_runner.clone(),
        functions: functions.len(),
        with_tests: functions.iter().filter(|it| it.kept > 0).count(),
        kept: functions.iter().map(|it| u64::from(it.kept)).sum(),
        mutants: functions.iter().map(|it| u64::from(it.mutants)).sum(),
        killed: functions
            .iter()
            .map(|it| u64::from(it.killed_mutants))
            .sum(),
        score: share(|it| it.mutation_score),
        lines: share(|it| it.lines),
        skipped: skipped
            .into_iter()
            .map(|(why, count)| format!("{count} x {why}"))
            .collect(),
        ..Generating::default()
    }
}

/// How many of the new tests pass by the package's own runner, if its exit code and its report agree that none failed.
fn run_again(lab: &Lab, runner: &str, done: &Evolution) -> Result<u64, String> {
    let folder = lab.checkout(&done.commit);
    let files: Vec<String> = done
        .files
        .iter()
        .map(|file| format!("'{}'", file.path))
        .collect();
    let (files, options) = (files.join(" "), &lab.package.runner_options);
    let command = match runner.split(' ').next().unwrap_or_default() {
        "mocha" => {
            format!("mocha {options} --reporter json --reporter-option output=.report {files}")
        }
        "jest" => {
            format!("jest {options} --json --outputFile=.report --runTestsByPath {files}")
        }
        "vitest" => {
            format!("vitest run {options} --reporter=json --outputFile=.report {files}")
        }
        "node:test" => format!(
            "node {options} --test --test-reporter=tap --test-reporter-destination=.report {files}"
        ),
        other => return Err(format!("the runner {other:?} is not known here")),
    };
    let run = own_tests::run(folder.path(), &command);
    if !run.exited_well() {
        return Err(format!("`{command}`: {run}"));
    }
    reported(&folder.path().join(".report"))
}

/// Passed tests of a report without failed ones.
fn reported(path: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("no report: {why}"))?;
    let count = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# {name} ")));
        line.and_then(|count| count.trim().parse::<u64>().ok())
    };
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |place: &str| json.pointer(place).and_then(Value::as_u64);
    let passed = count("pass")
        .or(number("/stats/passes"))
        .or(number("/numPassedTests"));
    let failed = count("fail")
        .or(number("/stats/failures"))
        .or(number("/numFailedTests"));
    match (passed, failed) {
        (Some(passed), Some(0)) => Ok(passed),
        other => Err(format!(
            "the report says {other:?} of passed and failed tests"
        )),
    }
}
