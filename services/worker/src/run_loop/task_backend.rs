//! Where a worker gets its tasks and tells how they go: the store, as the worker needs it.

use std::time::Duration;

use shim_proto::coordination::v1::{TaskResult, Usage};
use tokio_util::sync::CancellationToken;

use super::status::HeartbeatStatus;
use crate::executor::{AttemptFailure, ClaimedTask, ProgressUpdate};

/// The claim that a report proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRef {
    /// The task.
    pub task_id: String,
    /// The fencing token.
    pub lease: u64,
}

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The claim is over: the task went to another worker, was called off or has ended.
    #[error("{0}")]
    Stale(String),
    /// The store cannot be reached now; whether it took it is not known, and telling it again does no harm.
    #[error("{0}")]
    Unavailable(String),
    /// It will never be taken as it is.
    #[error("{0}")]
    Invalid(String),
}

/// What a worker asks of the store. Everything that ends a claim may be told again with the same words, and then has
/// one effect: a worker repeats what it cannot be sure of. Reports, confirmations and heartbeats may be dropped half-said.
pub trait TaskBackend: Send + Sync + 'static {
    /// Waits for a task at most so long. Soon after `stop` it answers; a task that it was given meanwhile is returned,
    /// never dropped: the worker waits for the answer.
    fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<Option<ClaimedTask>, BackendError>> + Send;

    /// Tells what is new about a task.
    fn report(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Asks whether the claim still stands; this is no sign of progress.
    fn confirm(
        &self,
        claim_ref: &ClaimRef,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Tells that nothing was heard of a task for so long; once for each silence.
    fn report_stuck(
        &self,
        claim_ref: &ClaimRef,
        silent: Duration,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Ends a task with its result, and what it cost since the last report.
    fn complete(
        &self,
        claim_ref: &ClaimRef,
        result: &TaskResult,
        usage: &Usage,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Ends an attempt, with what it cost since the last report.
    fn fail(
        &self,
        claim_ref: &ClaimRef,
        failure: &AttemptFailure,
        usage: &Usage,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Gives a task back untried.
    fn release(
        &self,
        claim_ref: &ClaimRef,
        reason: &str,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// The worker lives.
    fn heartbeat(&self, heartbeat: &HeartbeatStatus) -> impl Future<Output = ()> + Send;

    /// The worker leaves in good order.
    fn deregister(&self, reason: &str) -> impl Future<Output = ()> + Send;
}
