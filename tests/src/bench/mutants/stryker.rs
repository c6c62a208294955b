//! Stryker over some files of a package, as its command line runs it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::package::{Package, run};

const REPORT: &str = "reports/mutants.json";

/// What Stryker did.
pub(super) struct Run {
    pub(super) made: f64,
    pub(super) killed: f64,
    pub(super) took: Duration,
}

fn configuration(package: &Package, files: &[String]) -> Value {
    let mut configuration = json!({
        "testRunner": package.runner,
        "plugins": [format!("@stryker-mutator/{}-runner", package.runner)],
        "mutate": files,
        "reporters": ["json"],
        "jsonReporter": {"fileName": REPORT},
        "coverageAnalysis": "perTest",
        "allowConsoleColors": false,
    });
    if !package.spec.is_empty() {
        configuration["mochaOptions"] = json!({"spec": [package.spec]});
    }
    configuration
}

/// Runs it in a copy of the package, with its usual number of processes.
///
/// # Panics
/// If it leaves no report with mutants.
pub(super) fn mutate(package: &Package, copy: &Path, files: &[String]) -> Run {
    let text = configuration(package, files).to_string();
    std::fs::write(copy.join("stryker.conf.json"), text).expect("the home is writable");
    let began = Instant::now();
    let program = "node_modules/@stryker-mutator/core/bin/stryker.js";
    run(copy, "node", &[program, "run", "stryker.conf.json"]);
    let took = began.elapsed();
    let text = std::fs::read_to_string(copy.join(REPORT)).expect("Stryker writes its report");
    let report: Value = serde_json::from_str(&text).expect("the report is JSON");
    let of_files = report["files"].as_object().into_iter().flatten();
    let mutants = of_files.flat_map(|(_, file)| file["mutants"].as_array().into_iter().flatten());
    let states: Vec<&str> = mutants.filter_map(|it| it["status"].as_str()).collect();
    let is_killed = |state: &&&str| ["Killed", "Timeout"].contains(*state);
    assert!(!states.is_empty(), "{text}");
    #[allow(clippy::cast_precision_loss)]
    Run {
        made: states.len() as f64,
        killed: states.iter().filter(is_killed).count() as f64,
        took,
    }
}
