//! What one analysis carries from its beginning to its report.

use std::time::Instant;

use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{Finding, FindingPage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::context::{AnalysisOptions, AnalyzerContext};
use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::{HostError, ProgressSink};

/// Findings in one message.
const PAGE: usize = 500;

/// One analysis of a project.
pub(super) struct Run<'a> {
    pub(super) context: &'a AnalyzerContext,
    pub(super) project: &'a Project,
    pub(super) options: AnalysisOptions,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) progress: ProgressSink,
    pub(super) started: Instant,
    pub(super) id: String,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        context: &'a AnalyzerContext,
        project: &'a Project,
        options: AnalysisOptions,
        events: mpsc::Sender<Event>,
        cancel: &'a CancellationToken,
    ) -> Self {
        let sender = events.clone();
        // A line of progress that finds no room is worth no wait.
        let progress =
            ProgressSink::new(move |progress| _ = sender.try_send(Event::Progress(progress)));
        Self {
            context,
            project,
            options,
            events,
            cancel,
            progress,
            started: Instant::now(),
            id: Uuid::now_v7().to_string(),
        }
    }

    /// Sends findings, page by page.
    pub(super) async fn send_findings(&self, findings: Vec<Finding>) -> Result<(), EvolutionError> {
        for page in findings.chunks(PAGE) {
            self.send(Event::Findings(FindingPage {
                findings: page.to_vec(),
            }))
            .await?;
        }
        Ok(())
    }

    /// Sends an event; a caller that is gone cancels the analysis.
    pub(super) async fn send(&self, event: Event) -> Result<(), EvolutionError> {
        let sent = self.events.send(event).await;
        sent.map_err(|_| HostError::Cancelled.into())
    }
}

/// Runs work that uses the processor or waits for the disk, off the threads of the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EvolutionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => Err(HostError::Stopping.into()),
    }
}
