//! Tests for exported functions: made, run, and kept if they hold.
//!
//! All code of the project runs in a throw-away copy of it, by its own runner. (A) The project's folder is only read. (B) A test stays
//! if it passes five times in five orders and fails for a mutant of its function, both in the real runner. (C) What a test expects
//! was the same in two processes with other time zones, locales and days.

mod bench;
mod context;
mod flow;
mod generation;
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
mod watch;

use shim_proto::evolution::v1::TestGenerationReport;

use crate::error::EvolutionError;
use crate::project::Project;

use context::OnFunction;
pub(crate) use context::{Options, Tools};

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
