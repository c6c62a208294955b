//! What the executors of both kinds share: they find their program and make one run of it for each attempt.

use futures::TryFutureExt;
use futures::future::BoxFuture;
use shim_work::{AttemptOutcome, ClaimedTask, Executor, ProgressHandle};
use tokio_util::sync::CancellationToken;

use super::program::{Program, ProgramRun};
use super::run_error::RunError;

/// How a kind of program is fed and understood.
pub(super) trait ProgramKind: Send + Sync {
    /// The configured program.
    fn program(&self) -> &Program;

    /// Runs the program for a task and judges how it ended.
    fn attempt<'a>(
        &'a self,
        run: ProgramRun<'a>,
    ) -> impl Future<Output = Result<AttemptOutcome, RunError>> + Send + 'a;
}

/// An executor of a kind of program.
pub(super) struct ProgramExecutor<K>(pub(super) K);

impl<K: ProgramKind> Executor for ProgramExecutor<K> {
    fn check_runnable(&self) -> Result<(), String> {
        self.0.program().find().map(drop)
    }

    fn run<'a>(
        &'a self,
        claim: &'a ClaimedTask,
        progress: &'a ProgressHandle,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, AttemptOutcome> {
        let run = ProgramRun {
            program: self.0.program(),
            claim,
            progress,
            stop,
        };
        Box::pin(self.0.attempt(run).unwrap_or_else(AttemptOutcome::from))
    }
}
