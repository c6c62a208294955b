//! What a project is like: linters, figures, history, imports, duplicates, ranked by what would help most.
//!
//! The first picture needs no ESLint: oxlint, figures, imports, duplicates and history are there within a second or so, while
//! ESLint's host already works. What nothing changed for comes from the cache ([`cache`]), whose keys are contents
//! ([`configuration`]).

mod cache;
mod configuration;
mod context;
mod coverage;
mod eslint;
mod facts;
mod flow;
mod git;
mod graph;
mod keys;
mod oxlint;
mod part;
mod part_answers;
mod programs;
mod report;
mod run;
mod sources;
mod stages;
mod standby;
#[cfg(test)]
mod tests;
mod types;

use shim_proto::evolution::v1::AnalysisReport;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::EvolutionError;
use crate::project::Project;

pub(crate) use context::{AnalysisOptions, AnalyzerContext};
pub(crate) use part_answers::PartAnswers;

/// Analyzes a project. Progress, the first picture and findings go to `events`; the report is the answer.
///
/// # Errors
/// If the call is cancelled or its receiver gone, there is no Node, the tools cannot be installed, or `include` is wrong. A tool
/// that fails is told in the report.
pub(crate) async fn analyze(
    context: &AnalyzerContext,
    project: &Project,
    options: AnalysisOptions,
    events: mpsc::Sender<Event>,
    cancel: &CancellationToken,
) -> Result<AnalysisReport, EvolutionError> {
    run::Run::new(context, project, options, events, cancel)
        .execute()
        .await
}

/// Asks the linters about the files of one part, which `options.share` names. Progress goes to `events`.
///
/// # Errors
/// As [`analyze`].
pub(crate) async fn analyze_part(
    context: &AnalyzerContext,
    project: &Project,
    options: AnalysisOptions,
    events: mpsc::Sender<Event>,
    cancel: &CancellationToken,
) -> Result<PartAnswers, EvolutionError> {
    run::Run::new(context, project, options, events, cancel)
        .part()
        .await
}
