//! One attempt at one task: the executor works, its progress is reported, and the outcome is delivered.
//!
//! When the backend says that the claim is over, the executor is stopped at once and nothing more is reported. The delivery
//! of an outcome is repeated until the backend accepts or refuses it, or the worker ends.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use shim_exec::first_line;
use shim_proto::coordination::v1::{TaskResult, Usage};
use shim_proto::fitness::HoldCause;
use shim_proto::limits::task::MAX_REASON_BYTES;
use shim_proto::reasons::task::EXECUTOR_FAILED;
use shim_runtime::backoff::Backoff;
use shim_runtime::trace::{self, Span};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::claim::{ClaimRef, ClaimedTask};
use crate::executor::Executor;
use crate::health::AttemptSignal;
use crate::outcome::{AttemptFailure, AttemptOutcome};
use crate::progress::{ProgressHandle, ProgressUpdate};
use crate::reporter::{AttemptReporter, REPORT_TIMEOUT};
use crate::spans;
use crate::status::SharedStatus;
use crate::task_backend::{BackendError, TaskBackend};

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// An attempt.
pub(crate) struct Attempt<B> {
    pub(crate) backend: Arc<B>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) status: Arc<SharedStatus>,
    pub(crate) claim: ClaimedTask,
    pub(crate) stuck_after: Duration,
    /// Cancelled when the worker must end: the task is given back.
    pub(crate) kill: CancellationToken,
}

impl<B: TaskBackend> Attempt<B> {
    /// Does the task, and returns what the attempt says about the executor.
    pub(crate) async fn run(self) -> AttemptSignal {
        let span = spans::process(&self.claim.task);
        trace::scope(span.context(), self.run_in_span(span)).await
    }

    async fn run_in_span(self, mut span: Span) -> AttemptSignal {
        let claim_ref = self.claim.claim_ref;
        let progress = Arc::new(ProgressHandle::default());
        let _task_guard = self.status.track_task(claim_ref, Arc::clone(&progress));
        let stop = self.kill.child_token();
        let over = CancellationToken::new();
        let work = async {
            let outcome = self.work(&progress, &stop).await;
            over.cancel();
            outcome
        };
        let mut reporter =
            AttemptReporter::new(&*self.backend, &claim_ref, &progress, self.stuck_after);
        let (outcome, reported) = tokio::join!(work, reporter.run_until(&over, &stop));
        match reported {
            Ok(()) => {
                spans::record_outcome(&mut span, &outcome);
                let settle = spans::settle(&self.claim.task);
                let delivery = self.deliver(&claim_ref, outcome, progress.take());
                trace::scope(settle.context(), delivery).await
            }
            Err(lost) => {
                span.fail("CLAIM_LOST");
                tracing::info!(task = %claim_ref.task_id, %lost, "the task is another's now; its program was ended");
                AttemptSignal::None
            }
        }
    }

    /// A panic of the executor is a failure of this task and of no other.
    async fn work(&self, progress: &ProgressHandle, stop: &CancellationToken) -> AttemptOutcome {
        let work = AssertUnwindSafe(self.executor.run(&self.claim, progress, stop));
        work.catch_unwind().await.unwrap_or_else(|panic| {
            AttemptOutcome::Failed(AttemptFailure::crash(&panic_message(&*panic)))
        })
    }

    async fn deliver(
        &self,
        claim_ref: &ClaimRef,
        outcome: AttemptOutcome,
        last: ProgressUpdate,
    ) -> AttemptSignal {
        match outcome {
            AttemptOutcome::Completed(result) => {
                self.complete(claim_ref, &result, &last.usage).await;
                AttemptSignal::Healthy
            }
            AttemptOutcome::Failed(failure) => {
                let usage = self.last_report(claim_ref, last).await;
                self.fail(claim_ref, &failure, &usage).await;
                if failure.is_crash {
                    AttemptSignal::Crash(failure.error.message)
                } else {
                    AttemptSignal::Healthy
                }
            }
            AttemptOutcome::Stopped => {
                self.last_report(claim_ref, last).await;
                self.release(claim_ref, "its worker stops").await;
                AttemptSignal::None
            }
            AttemptOutcome::NotRunnable(why) => {
                self.hold(claim_ref, &why, HoldCause::Untimed).await;
                AttemptSignal::NotRunnable(why)
            }
            AttemptOutcome::Unfit(unfit) => {
                self.last_report(claim_ref, last).await;
                self.hold(claim_ref, &unfit.why, unfit.hold_cause()).await;
                AttemptSignal::Unfit(unfit)
            }
        }
    }

    async fn complete(&self, claim_ref: &ClaimRef, result: &TaskResult, usage: &Usage) {
        let complete = || self.backend.complete(claim_ref, result, usage);
        match self.retry(complete).await {
            Ok(()) => self.status.count_completed(),
            Err(BackendError::Invalid(why)) => {
                let message = format!("its result was refused: {why}");
                let failure = AttemptFailure {
                    is_final: true,
                    ..AttemptFailure::new(EXECUTOR_FAILED, &message)
                };
                self.fail(claim_ref, &failure, usage).await;
            }
            Err(why) => log_undelivered(claim_ref, &why),
        }
    }

    async fn fail(&self, claim_ref: &ClaimRef, failure: &AttemptFailure, usage: &Usage) {
        let fail = || self.backend.fail(claim_ref, failure, usage);
        match self.retry(fail).await {
            Ok(()) => self.status.count_failed(),
            Err(why @ BackendError::Invalid(_)) => {
                log_undelivered(claim_ref, &why);
                self.release(claim_ref, "how it failed was refused").await;
            }
            Err(why) => log_undelivered(claim_ref, &why),
        }
    }

    async fn release(&self, claim_ref: &ClaimRef, reason: &str) {
        if let Err(why) = self.retry(|| self.backend.release(claim_ref, reason)).await {
            log_undelivered(claim_ref, &why);
        }
    }

    /// Gives the task back because the executor cannot do any now.
    async fn hold(&self, claim_ref: &ClaimRef, why: &str, cause: HoldCause) {
        let reason = first_line(why, MAX_REASON_BYTES);
        let hold = || self.backend.hold(claim_ref, &reason, cause);
        match self.retry(hold).await {
            Ok(()) => self.status.count_held(),
            Err(why) => log_undelivered(claim_ref, &why),
        }
    }

    /// Reports a last time where the next worker can go on; returns the usage that is still to be reported.
    async fn last_report(&self, claim_ref: &ClaimRef, update: ProgressUpdate) -> Usage {
        if update.is_empty() {
            return Usage::default();
        }
        match timeout(REPORT_TIMEOUT, self.backend.report(claim_ref, &update)).await {
            Ok(Ok(())) => Usage::default(),
            _ => update.usage,
        }
    }

    /// Sends until the backend accepts or refuses. Once the worker must end, one last try is made.
    async fn retry<F>(&self, send: impl Fn() -> F) -> Result<(), BackendError>
    where
        F: Future<Output = Result<(), BackendError>>,
    {
        let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        loop {
            let is_last = self.kill.is_cancelled();
            match send().await {
                Err(BackendError::Unavailable(why)) if !is_last => {
                    tracing::debug!(why, "telling it again");
                }
                answer => return answer,
            }
            tokio::select! {
                () = backoff.wait() => {}
                () = self.kill.cancelled() => {}
            }
        }
    }
}

fn log_undelivered(claim_ref: &ClaimRef, why: &BackendError) {
    tracing::warn!(task = %claim_ref.task_id, %why, "how the attempt ended was not taken");
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the executor panicked: {}",
        message.unwrap_or("without words")
    )
}
