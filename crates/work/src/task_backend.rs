//! Where a worker gets its tasks and reports on them.

use std::time::Duration;

use shim_proto::coordination::v1::{TaskResult, Usage};
use shim_proto::fitness::HoldCause;
use tokio_util::sync::CancellationToken;

use crate::claim::{ClaimRef, ClaimedTask};
use crate::outcome::AttemptFailure;
use crate::progress::ProgressUpdate;
use crate::status::HeartbeatStatus;

/// Why the backend did not accept a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The claim is over: the task went to another worker, was cancelled or has ended.
    #[error("{0}")]
    Stale(String),
    /// The backend cannot be reached now. Whether the call had its effect is unknown; repeating it does no harm.
    #[error("{0}")]
    Unavailable(String),
    /// The backend will never accept the call as it is.
    #[error("{0}")]
    Invalid(String),
}

/// The source of a worker's tasks. A call that ends a claim may be repeated with the same arguments and then has one effect:
/// a worker repeats what it cannot be sure of. The future of a report, a confirmation or a heartbeat may be dropped half-way.
pub trait TaskBackend: Send + Sync + 'static {
    /// Waits for a task, at most for `wait`. Soon after `stop` it returns; a task that was claimed meanwhile is returned and
    /// never dropped, for the worker waits for the answer.
    fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<Option<ClaimedTask>, BackendError>> + Send;

    /// Reports what is new about a task.
    fn report(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Asks whether the claim still stands. This is no sign of progress.
    fn confirm(
        &self,
        claim_ref: &ClaimRef,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Reports that a task has been silent for this long; once for each silence.
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

    /// Ends an attempt as failed, with what it cost since the last report.
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

    /// Gives a task back untried, because the worker cannot do any now.
    fn hold(
        &self,
        claim_ref: &ClaimRef,
        reason: &str,
        cause: HoldCause,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Says that the worker lives, and in which state.
    fn heartbeat(&self, heartbeat: &HeartbeatStatus) -> impl Future<Output = ()> + Send;

    /// Ends the worker's registration in good order.
    fn deregister(&self, reason: &str) -> impl Future<Output = ()> + Send;
}
