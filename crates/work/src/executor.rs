//! What does tasks: a program, an agent, or code of this process.

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::claim::ClaimedTask;
use crate::outcome::AttemptOutcome;
use crate::progress::ProgressHandle;

/// Does tasks, reports its progress while it works, and says how each ended. An executor decides neither whether its claim
/// still stands nor what becomes of the outcome.
pub trait Executor: Send + Sync {
    /// Whether the executor could run a task now.
    ///
    /// # Errors
    /// What is missing, in a few words.
    fn check_runnable(&self) -> Result<(), String>;

    /// Does the task until it is done, failed, out of time or stopped. Dropped, it leaves no process behind.
    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome>;
}
