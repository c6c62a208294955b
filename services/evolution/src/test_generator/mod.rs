//! Tests for exported functions: made, run, and kept if they hold.
//!
//! All code of the project runs in a throw-away copy of it, by its own runner. (A) The project's folder is only read. (B) A test stays
//! if it passes five times in five orders and fails for a mutant of its function, both in the real runner. (C) What a test expects
//! was the same in two processes with other time zones, locales and days.

mod bench;
mod flow;
mod keep;
mod measure;
mod observe;
mod outcome;
mod proposal;
mod screen;
mod setting;
mod subject;
#[cfg(test)]
mod tests;
mod tools;

use std::time::Duration;

use shim_proto::evolution::v1::{FunctionTests, TestGenerationReport};
use tokio_util::sync::CancellationToken;

use crate::error::EvolutionError;
use crate::project::Project;
use crate::test_runs::TestRuns;
use crate::tool_host::{ProgressSink, ToolHost};

/// What a generation is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Only these files and folders, relative to the folder that was asked for; empty for all.
    pub(crate) include: Vec<String>,
    /// The most functions.
    pub(crate) max_functions: usize,
    /// The seed of all random choices.
    pub(crate) seed: u64,
    /// How long one run of the whole suite may take.
    pub(crate) run_limit: Duration,
}

/// What a generation works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tools<'a> {
    /// The compiler's host.
    pub(crate) host: &'a ToolHost,
    /// The user's runner.
    pub(crate) runs: &'a TestRuns,
    /// Where it says how far it is.
    pub(crate) progress: &'a ProgressSink,
    /// Ends it.
    pub(crate) cancel: &'a CancellationToken,
}

/// Gets each function once it is done.
type OnFunction<'a> = &'a (dyn Fn(FunctionTests) + Send + Sync);

/// Makes tests for functions without any. Each function is told once it is done; the report has the proposal, unless no test was kept.
///
/// # Errors
/// If the project is not trusted, has no runner that is known, or is too large to copy; or `cancel` ends it.
pub(crate) async fn generate(
    tools: Tools<'_>,
    project: &Project,
    options: &Options,
    on_function: OnFunction<'_>,
) -> Result<TestGenerationReport, EvolutionError> {
    flow::generate(tools, project, options, on_function).await
}
