//! Reports the progress of one attempt to the backend, and learns there whether the claim still stands.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::claim::ClaimRef;
use crate::progress::ProgressHandle;
use crate::task_backend::{BackendError, TaskBackend};

/// The least time between two reports on one task.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How often the claim of a task without news is confirmed.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);
/// A report that takes longer may be lost: the outcome must not wait for it.
pub(crate) const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Reports on one attempt.
pub(crate) struct AttemptReporter<'a, B> {
    backend: &'a B,
    claim_ref: &'a ClaimRef,
    progress: &'a ProgressHandle,
    stuck_after: Duration,
    has_update: bool,
    report_at: Instant,
    confirm_at: Instant,
    /// The last sign of life before the silence that was reported.
    reported_silence_since: Option<Instant>,
}

impl<'a, B: TaskBackend> AttemptReporter<'a, B> {
    pub(crate) fn new(
        backend: &'a B,
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

    /// Reports until the work is over.
    ///
    /// # Errors
    /// Why the claim is over, if it ended first; the work is stopped then.
    pub(crate) async fn run_until(
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
                    tracing::debug!(task = %self.claim_ref.task_id, %why, "a report was not taken");
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

    /// Reports the silence, unless a sign of life ended it.
    async fn report_stuck(&mut self, last_activity: Instant) -> Result<(), BackendError> {
        if self.progress.last_activity() != last_activity {
            return Ok(());
        }
        self.reported_silence_since = Some(last_activity);
        let silent = last_activity.elapsed();
        tracing::warn!(
            task = %self.claim_ref.task_id,
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
