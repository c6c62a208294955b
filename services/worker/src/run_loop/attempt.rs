//! One attempt at one task: the executor works, what is new is told to the desk, and the outcome is delivered.
//!
//! When the desk says that the claim is over, the executor is stopped at once and nothing more is told. An outcome that
//! cannot be delivered is told again until it is taken, refused, or the worker ends.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use shim_proto::coordination::v1::{TaskResult, Usage};
use shim_runtime::trace::{self, Span};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::health::AttemptSignal;
use super::status::SharedStatus;
use super::task_backend::{BackendError, ClaimRef, TaskBackend};
use crate::executor::{
    AttemptFailure, AttemptOutcome, ClaimedTask, EXECUTOR_FAILED, Executor, ProgressHandle,
    ProgressUpdate, first_line,
};
use crate::spans;

/// Reports of one task are at least so far apart.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// The claim of a task that has nothing to tell is looked at this often.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);
/// A report that takes longer may be lost: the outcome must not wait for it.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// As much as may be told of why a task is given back.
const MAX_REASON_BYTES: usize = 1_024;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// An attempt.
pub(super) struct Attempt<D> {
    pub(super) backend: Arc<D>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) status: Arc<SharedStatus>,
    pub(super) claim: ClaimedTask,
    pub(super) stuck_after: Duration,
    /// Raised when the worker must end: the task is given back.
    pub(super) kill: CancellationToken,
}

impl<D: TaskBackend> Attempt<D> {
    /// Does the task and tells what the attempt says about the executor.
    pub(super) async fn run(self) -> AttemptSignal {
        let span = spans::process(&self.claim.task);
        trace::scope(span.context(), self.run_in_span(span)).await
    }

    async fn run_in_span(self, mut span: Span) -> AttemptSignal {
        let claim_ref = ClaimRef {
            task_id: self.claim.task.task_id.clone(),
            lease: self.claim.lease,
        };
        let progress = Arc::new(ProgressHandle::default());
        let _task_guard = self.status.track_task(&claim_ref, Arc::clone(&progress));
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
                tracing::info!(task = claim_ref.task_id, %lost, "the task is another's now; its program was ended");
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
                let reason = first_line(&why, MAX_REASON_BYTES);
                self.release(claim_ref, &reason).await;
                AttemptSignal::NotRunnable(why)
            }
        }
    }

    async fn complete(&self, claim_ref: &ClaimRef, result: &TaskResult, usage: &Usage) {
        match self
            .retry(|| self.backend.complete(claim_ref, result, usage))
            .await
        {
            Ok(()) => self.status.count_completed(),
            Err(BackendError::Invalid(why)) => {
                let failure = AttemptFailure {
                    is_final: true,
                    ..AttemptFailure::new(
                        EXECUTOR_FAILED,
                        &format!("its result was refused: {why}"),
                    )
                };
                self.fail(claim_ref, &failure, usage).await;
            }
            Err(why) => log_undelivered(claim_ref, &why),
        }
    }

    async fn fail(&self, claim_ref: &ClaimRef, failure: &AttemptFailure, usage: &Usage) {
        match self
            .retry(|| self.backend.fail(claim_ref, failure, usage))
            .await
        {
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

    /// Tells a last time where the next worker can go on; returns the usage that is left to be told.
    async fn last_report(&self, claim_ref: &ClaimRef, update: ProgressUpdate) -> Usage {
        if update.is_empty() {
            return Usage::default();
        }
        match timeout(REPORT_TIMEOUT, self.backend.report(claim_ref, &update)).await {
            Ok(Ok(())) => Usage::default(),
            _ => update.usage,
        }
    }

    /// Says it until it is taken or refused. Once the worker must end, it is said once more and no longer.
    async fn retry<F>(&self, send: impl Fn() -> F) -> Result<(), BackendError>
    where
        F: Future<Output = Result<(), BackendError>>,
    {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let is_last = self.kill.is_cancelled();
            match send().await {
                Err(BackendError::Unavailable(why)) if !is_last => {
                    tracing::debug!(why, "telling it again");
                }
                answer => return answer,
            }
            tokio::select! {
                () = sleep(backoff) => {}
                () = self.kill.cancelled() => {}
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }
}

fn log_undelivered(claim_ref: &ClaimRef, why: &BackendError) {
    tracing::warn!(task = claim_ref.task_id, %why, "how the attempt ended was not taken");
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

/// Tells the desk what is new about an attempt, and asks whether it may go on.
struct AttemptReporter<'a, D> {
    backend: &'a D,
    claim_ref: &'a ClaimRef,
    progress: &'a ProgressHandle,
    stuck_after: Duration,
    has_update: bool,
    report_at: Instant,
    confirm_at: Instant,
    /// The last sign before the silence that was told.
    reported_silence_since: Option<Instant>,
}

impl<'a, D: TaskBackend> AttemptReporter<'a, D> {
    fn new(
        backend: &'a D,
        claim_ref: &'a ClaimRef,
        progress: &'a ProgressHandle,
        stuck_after: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            backend,
            claim_ref,
            progress,
            stuck_after,
            has_update: false,
            report_at: now,
            confirm_at: now + CONFIRM_EVERY,
            reported_silence_since: None,
        }
    }

    /// Watches until the work is over. If the claim is, the work is stopped and the reason returned.
    async fn run_until(
        &mut self,
        over: &CancellationToken,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        loop {
            let last_activity = self.progress.last_activity();
            let is_silence_reported = self.reported_silence_since == Some(last_activity);
            let answer = tokio::select! {
                biased;
                () = over.cancelled() => return Ok(()),
                () = self.progress.updated(), if !self.has_update => {
                    self.has_update = true;
                    continue;
                }
                () = sleep_until(self.report_at), if self.has_update => self.report().await,
                () = sleep_until(self.confirm_at) => self.confirm().await,
                () = sleep_until(last_activity + self.stuck_after), if !is_silence_reported => {
                    self.report_stuck(last_activity).await
                }
            };
            match answer {
                Err(BackendError::Stale(why)) => {
                    stop.cancel();
                    over.cancelled().await;
                    return Err(why);
                }
                Err(why) => {
                    tracing::debug!(task = self.claim_ref.task_id, %why, "a report was not taken");
                }
                Ok(()) => {}
            }
        }
    }

    async fn report(&mut self) -> Result<(), BackendError> {
        let update = self.progress.take();
        let answer = with_timeout(self.backend.report(self.claim_ref, &update)).await;
        self.has_update = false;
        self.report_at = Instant::now() + REPORT_EVERY;
        if let Err(BackendError::Unavailable(_)) = answer {
            self.progress.put_back(update);
        }
        self.confirm_at = Instant::now() + CONFIRM_EVERY;
        answer
    }

    async fn confirm(&mut self) -> Result<(), BackendError> {
        let answer = with_timeout(self.backend.confirm(self.claim_ref)).await;
        self.confirm_at = Instant::now() + CONFIRM_EVERY;
        answer
    }

    /// Tells the silence, unless there was a sign while it was waited for.
    async fn report_stuck(&mut self, last_activity: Instant) -> Result<(), BackendError> {
        if self.progress.last_activity() != last_activity {
            return Ok(());
        }
        self.reported_silence_since = Some(last_activity);
        let silent = last_activity.elapsed();
        tracing::warn!(
            task = self.claim_ref.task_id,
            ?silent,
            "nothing was heard of the task"
        );
        with_timeout(self.backend.report_stuck(self.claim_ref, silent)).await
    }
}

async fn with_timeout(
    answer: impl Future<Output = Result<(), BackendError>>,
) -> Result<(), BackendError> {
    timeout(REPORT_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| Err(BackendError::Unavailable("no answer in time".to_owned())))
}
