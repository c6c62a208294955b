//! Where a worker gets its tasks and tells how they go: the store, as the worker needs it.

use std::time::Duration;

use shim_proto::coordination::v1::{TaskResult, Usage};
use tokio_util::sync::CancellationToken;

use super::status::Vitals;
use crate::executor::{Claim, Failure, News};

/// The claim that a report proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The task.
    pub task_id: String,
    /// The fencing token.
    pub lease: u64,
}

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The claim is over: the task went to another worker, was called off or has ended.
    #[error("{0}")]
    Stale(String),
    /// The store cannot be reached now; whether it took it is not known, and telling it again does no harm.
    #[error("{0}")]
    Away(String),
    /// It will never be taken as it is.
    #[error("{0}")]
    Invalid(String),
}

/// What a worker asks of the store. Everything that ends a claim may be told again with the same words, and then has
/// one effect: a worker repeats what it cannot be sure of. Reports, confirmations and heartbeats may be dropped half-said.
pub trait Desk: Send + Sync + 'static {
    /// Waits for a task at most so long. Soon after `stop` it answers; a task that it was given meanwhile is returned,
    /// never dropped: the worker waits for the answer.
    fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<Option<Claim>, Refusal>> + Send;

    /// Tells what is new about a task.
    fn report(&self, held: &Held, news: &News) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Asks whether the claim still stands; this is no sign of progress.
    fn confirm(&self, held: &Held) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Tells that nothing was heard of a task for so long; once for each silence.
    fn stuck(
        &self,
        held: &Held,
        silent: Duration,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Ends a task with its result, and what it cost since the last report.
    fn complete(
        &self,
        held: &Held,
        result: &TaskResult,
        usage: &Usage,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Ends an attempt, with what it cost since the last report.
    fn fail(
        &self,
        held: &Held,
        failure: &Failure,
        usage: &Usage,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Gives a task back untried.
    fn release(
        &self,
        held: &Held,
        reason: &str,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The worker lives.
    fn beat(&self, vitals: &Vitals) -> impl Future<Output = ()> + Send;

    /// The worker leaves in good order.
    fn leave(&self, reason: &str) -> impl Future<Output = ()> + Send;
}
