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

use super::desk::{Desk, Held, Refusal};
use super::fitness::Sign;
use super::status::Status;
use crate::executor::{
    Claim, EXECUTOR_FAILED, Executor, Failure, News, Outcome, Pulse, first_line,
};
use crate::spans;

/// Reports of one task are at least so far apart.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// The claim of a task that has nothing to tell is looked at this often.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);
/// A report that takes longer may be lost: the outcome must not wait for it.
const REPORT_WITHIN: Duration = Duration::from_secs(5);
/// As much as may be told of why a task is given back.
const MAX_REASON_BYTES: usize = 1_024;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// An attempt.
pub(super) struct Attempt<D> {
    pub(super) desk: Arc<D>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) status: Arc<Status>,
    pub(super) claim: Claim,
    pub(super) stuck_after: Duration,
    /// Raised when the worker must end: the task is given back.
    pub(super) kill: CancellationToken,
}

impl<D: Desk> Attempt<D> {
    /// Does the task and tells what the attempt says about the executor.
    pub(super) async fn run(self) -> Sign {
        let span = spans::process(&self.claim.task);
        trace::scope(span.context(), self.within(span)).await
    }

    async fn within(self, mut span: Span) -> Sign {
        let held = Held {
            task_id: self.claim.task.task_id.clone(),
            lease: self.claim.lease,
        };
        let pulse = Arc::new(Pulse::default());
        let _shown = self.status.show(&held, Arc::clone(&pulse));
        let stop = self.kill.child_token();
        let over = CancellationToken::new();
        let work = async {
            let outcome = self.work(&pulse, &stop).await;
            over.cancel();
            outcome
        };
        let mut watch = Watch::new(&*self.desk, &held, &pulse, self.stuck_after);
        let (outcome, watched) = tokio::join!(work, watch.until(&over, &stop));
        match watched {
            Ok(()) => {
                spans::note(&mut span, &outcome);
                let settle = spans::settle(&self.claim.task);
                let delivery = self.deliver(&held, outcome, pulse.take());
                trace::scope(settle.context(), delivery).await
            }
            Err(lost) => {
                span.fail("CLAIM_LOST");
                tracing::info!(task = held.task_id, %lost, "the task is another's now; its program was ended");
                Sign::None
            }
        }
    }

    /// A panic of the executor is a failure of this task and of no other.
    async fn work(&self, pulse: &Pulse, stop: &CancellationToken) -> Outcome {
        let work = AssertUnwindSafe(self.executor.run(&self.claim, pulse, stop));
        work.catch_unwind()
            .await
            .unwrap_or_else(|panic| Outcome::Failed(Failure::crash(&words_of(&*panic))))
    }

    async fn deliver(&self, held: &Held, outcome: Outcome, last: News) -> Sign {
        match outcome {
            Outcome::Completed(result) => {
                self.complete(held, &result, &last.usage).await;
                Sign::Well
            }
            Outcome::Failed(failure) => {
                let usage = self.last_report(held, last).await;
                self.fail(held, &failure, &usage).await;
                if failure.is_crash {
                    Sign::Crash(failure.error.message)
                } else {
                    Sign::Well
                }
            }
            Outcome::Stopped => {
                self.last_report(held, last).await;
                self.release(held, "its worker stops").await;
                Sign::None
            }
            Outcome::Unfit(why) => {
                let reason = first_line(&why, MAX_REASON_BYTES);
                self.release(held, &reason).await;
                Sign::Unfit(why)
            }
        }
    }

    async fn complete(&self, held: &Held, result: &TaskResult, usage: &Usage) {
        match self
            .insist(|| self.desk.complete(held, result, usage))
            .await
        {
            Ok(()) => self.status.completed(),
            Err(Refusal::Invalid(why)) => {
                let failure = Failure {
                    is_final: true,
                    ..Failure::new(EXECUTOR_FAILED, &format!("its result was refused: {why}"))
                };
                self.fail(held, &failure, usage).await;
            }
            Err(why) => undelivered(held, &why),
        }
    }

    async fn fail(&self, held: &Held, failure: &Failure, usage: &Usage) {
        match self.insist(|| self.desk.fail(held, failure, usage)).await {
            Ok(()) => self.status.failed(),
            Err(why @ Refusal::Invalid(_)) => {
                undelivered(held, &why);
                self.release(held, "how it failed was refused").await;
            }
            Err(why) => undelivered(held, &why),
        }
    }

    async fn release(&self, held: &Held, reason: &str) {
        if let Err(why) = self.insist(|| self.desk.release(held, reason)).await {
            undelivered(held, &why);
        }
    }

    /// Tells a last time where the next worker can go on; returns the usage that is left to be told.
    async fn last_report(&self, held: &Held, news: News) -> Usage {
        if news.is_empty() {
            return Usage::default();
        }
        match timeout(REPORT_WITHIN, self.desk.report(held, &news)).await {
            Ok(Ok(())) => Usage::default(),
            _ => news.usage,
        }
    }

    /// Says it until it is taken or refused. Once the worker must end, it is said once more and no longer.
    async fn insist<F>(&self, say: impl Fn() -> F) -> Result<(), Refusal>
    where
        F: Future<Output = Result<(), Refusal>>,
    {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let is_last = self.kill.is_cancelled();
            match say().await {
                Err(Refusal::Away(why)) if !is_last => tracing::debug!(why, "telling it again"),
                said => return said,
            }
            tokio::select! {
                () = sleep(backoff) => {}
                () = self.kill.cancelled() => {}
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }
}

fn undelivered(held: &Held, why: &Refusal) {
    tracing::warn!(task = held.task_id, %why, "how the attempt ended was not taken");
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the executor panicked: {}",
        words.unwrap_or("without words")
    )
}

/// Tells the desk what is new about an attempt, and asks whether it may go on.
struct Watch<'a, D> {
    desk: &'a D,
    held: &'a Held,
    pulse: &'a Pulse,
    stuck_after: Duration,
    has_news: bool,
    report_at: Instant,
    confirm_at: Instant,
    /// The last sign before the silence that was told.
    told_silence_since: Option<Instant>,
}

impl<'a, D: Desk> Watch<'a, D> {
    fn new(desk: &'a D, held: &'a Held, pulse: &'a Pulse, stuck_after: Duration) -> Self {
        let now = Instant::now();
        Self {
            desk,
            held,
            pulse,
            stuck_after,
            has_news: false,
            report_at: now,
            confirm_at: now + CONFIRM_EVERY,
            told_silence_since: None,
        }
    }

    /// Watches until the work is over. If the claim is, the work is stopped and the reason returned.
    async fn until(
        &mut self,
        over: &CancellationToken,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        loop {
            let last_sign = self.pulse.last_sign();
            let is_silence_told = self.told_silence_since == Some(last_sign);
            let answer = tokio::select! {
                biased;
                () = over.cancelled() => return Ok(()),
                () = self.pulse.told(), if !self.has_news => {
                    self.has_news = true;
                    continue;
                }
                () = sleep_until(self.report_at), if self.has_news => self.report().await,
                () = sleep_until(self.confirm_at) => self.confirm().await,
                () = sleep_until(last_sign + self.stuck_after), if !is_silence_told => {
                    self.stuck(last_sign).await
                }
            };
            match answer {
                Err(Refusal::Stale(why)) => {
                    stop.cancel();
                    over.cancelled().await;
                    return Err(why);
                }
                Err(why) => {
                    tracing::debug!(task = self.held.task_id, %why, "a report was not taken");
                }
                Ok(()) => {}
            }
        }
    }

    async fn report(&mut self) -> Result<(), Refusal> {
        let news = self.pulse.take();
        let told = within(self.desk.report(self.held, &news)).await;
        self.has_news = false;
        self.report_at = Instant::now() + REPORT_EVERY;
        if let Err(Refusal::Away(_)) = told {
            self.pulse.give_back(news);
        }
        self.confirm_at = Instant::now() + CONFIRM_EVERY;
        told
    }

    async fn confirm(&mut self) -> Result<(), Refusal> {
        let told = within(self.desk.confirm(self.held)).await;
        self.confirm_at = Instant::now() + CONFIRM_EVERY;
        told
    }

    /// Tells the silence, unless there was a sign while it was waited for.
    async fn stuck(&mut self, last_sign: Instant) -> Result<(), Refusal> {
        if self.pulse.last_sign() != last_sign {
            return Ok(());
        }
        self.told_silence_since = Some(last_sign);
        let silent = last_sign.elapsed();
        tracing::warn!(
            task = self.held.task_id,
            ?silent,
            "nothing was heard of the task"
        );
        within(self.desk.stuck(self.held, silent)).await
    }
}

async fn within(told: impl Future<Output = Result<(), Refusal>>) -> Result<(), Refusal> {
    timeout(REPORT_WITHIN, told)
        .await
        .unwrap_or_else(|_| Err(Refusal::Away("no answer in time".to_owned())))
}
