//! A worker's health, judged by how its attempts end, and how long it backs off after failures. Pure: the time is an
//! argument.
//!
//! An executor that can do no task is unfit until the time it names, or for a pause that doubles from time to time. Then it
//! tries one task, and only if that goes well takes more.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::WorkerHealth;

use crate::outcome::{Hindrance, Unfit};

/// So many crashes in a row make a worker degraded.
const CRASH_LOOP: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// The pauses of an unfit executor that names no time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// So many pauses in a row are the provider's way to spread its callers; a worker that goes on waiting is unfit.
const THROTTLED_PAUSES: u32 = 4;

/// What an attempt says about its executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttemptSignal {
    /// The executor works.
    Healthy,
    /// The executor broke, with this message.
    Crash(String),
    /// The executor cannot run, for this reason.
    NotRunnable(String),
    /// The executor runs and can do no task.
    Unfit(Unfit),
    /// Nothing: the attempt was cut short.
    None,
}

/// The failures of an executor since its last healthy attempt.
#[derive(Debug, Default)]
pub(crate) struct ExecutorHealth {
    crashes: u32,
    failed_starts: u32,
    last_crash: String,
    /// Why the executor cannot run now.
    missing: Option<String>,
    /// How often it was unfit.
    unfit_times: u32,
    /// Why it can do no task, last.
    unfit_why: String,
    /// Until when it is unfit; `None` while it may try.
    unfit_until: Option<SystemTime>,
    /// What kept it from doing tasks, last.
    hindrance: Hindrance,
}

impl ExecutorHealth {
    /// Takes in how an attempt ended.
    pub(crate) fn record(&mut self, signal: AttemptSignal, now: SystemTime) {
        match signal {
            // An attempt that began before proves nothing.
            AttemptSignal::Healthy if self.unfit_until.is_some() => {}
            AttemptSignal::Healthy => *self = Self::default(),
            AttemptSignal::Crash(why) => {
                self.crashes = self.crashes.saturating_add(1);
                self.last_crash = why;
            }
            AttemptSignal::NotRunnable(why) => self.mark_missing(why),
            AttemptSignal::Unfit(unfit) => self.mark_unfit(unfit, now),
            AttemptSignal::None => {}
        }
    }

    /// The executor can do no task. What several attempts find out at the same time counts once.
    fn mark_unfit(&mut self, unfit: Unfit, now: SystemTime) {
        if self.unfit_until.is_none() {
            self.unfit_times = self.unfit_times.saturating_add(1);
        }
        let doublings = self.unfit_times.saturating_sub(1);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
        let until = match unfit.until {
            Some(until) if until > now => until,
            _ => now + pause.min(LONGEST_PAUSE),
        };
        self.unfit_until = self.unfit_until.max(Some(until));
        self.unfit_why = unfit.why;
        self.hindrance = unfit.hindrance;
    }

    /// The executor cannot run, for this reason.
    pub(crate) fn mark_missing(&mut self, why: String) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.missing = Some(why);
    }

    /// The executor can run again. The backoff stays long until an attempt goes well.
    pub(crate) fn mark_present(&mut self) {
        self.missing = None;
        self.unfit_until = None;
    }

    /// Until when the executor is unfit, if it is.
    pub(crate) fn unfit_until(&self) -> Option<SystemTime> {
        self.unfit_until
    }

    /// Whether one task is to show that the executor works again.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.unfit_times > 0 && self.unfit_until.is_none()
    }

    /// The health, and the reason if it is not healthy.
    pub(crate) fn health(&self) -> (WorkerHealth, String) {
        if let Some(missing) = &self.missing {
            return (WorkerHealth::Unhealthy, missing.clone());
        }
        if self.unfit_until.is_some() && self.only_waits_a_moment() {
            let detail = format!("waits a moment: {}", self.unfit_why);
            return (WorkerHealth::Degraded, detail);
        }
        if self.unfit_until.is_some() {
            return (WorkerHealth::Unhealthy, self.unfit_why.clone());
        }
        if self.is_on_trial() {
            let detail = format!("tries one task after: {}", self.unfit_why);
            return (WorkerHealth::Degraded, detail);
        }
        if self.crashes >= CRASH_LOOP {
            let detail = format!(
                "crashed {} times in a row: {}",
                self.crashes, self.last_crash
            );
            return (WorkerHealth::Degraded, detail);
        }
        (WorkerHealth::Healthy, String::new())
    }

    fn only_waits_a_moment(&self) -> bool {
        self.hindrance == Hindrance::Throttled && self.unfit_times <= THROTTLED_PAUSES
    }

    /// How long to wait before the next start; `None` if nothing failed.
    pub(crate) fn backoff(&self) -> Option<Duration> {
        let failures = self.crashes.saturating_add(self.failed_starts);
        let doublings = failures.checked_sub(1)?;
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings));
        Some(backoff.min(LONGEST_BACKOFF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_500_000)
    }

    fn unfit(until: Option<SystemTime>) -> AttemptSignal {
        AttemptSignal::Unfit(Unfit {
            why: "You've hit your limit".to_owned(),
            until,
            hindrance: Hindrance::Lasting,
        })
    }

    fn crash() -> AttemptSignal {
        AttemptSignal::Crash("signal: 11".to_owned())
    }

    #[test]
    fn crashes_in_a_row_make_it_degraded_and_slow_and_success_makes_it_well() {
        let mut executor_health = ExecutorHealth::default();
        assert_eq!(executor_health.backoff(), None);
        executor_health.record(crash(), now());
        executor_health.record(crash(), now());
        assert_eq!(executor_health.health().0, WorkerHealth::Healthy);
        assert_eq!(executor_health.backoff(), Some(FIRST_BACKOFF * 2));
        executor_health.record(crash(), now());
        let (health, detail) = executor_health.health();
        assert_eq!(health, WorkerHealth::Degraded);
        assert_eq!(detail, "crashed 3 times in a row: signal: 11");
        for _ in 0..100 {
            executor_health.record(crash(), now());
        }
        assert_eq!(executor_health.backoff(), Some(LONGEST_BACKOFF));
        executor_health.record(AttemptSignal::Healthy, now());
        assert_eq!(
            (executor_health.health().0, executor_health.backoff()),
            (WorkerHealth::Healthy, None)
        );
    }

    #[test]
    fn an_executor_that_looks_runnable_but_never_starts_is_tried_ever_more_rarely() {
        let mut executor_health = ExecutorHealth::default();
        let mut backoffs = Vec::new();
        for _ in 0..3 {
            let missing = AttemptSignal::NotRunnable("no such program".to_owned());
            executor_health.record(missing, now());
            assert_eq!(executor_health.health().0, WorkerHealth::Unhealthy);
            backoffs.extend(executor_health.backoff());
            executor_health.mark_present();
            assert_eq!(executor_health.health().0, WorkerHealth::Healthy);
        }
        assert_eq!(
            backoffs,
            [FIRST_BACKOFF, FIRST_BACKOFF * 2, FIRST_BACKOFF * 4]
        );
    }

    #[test]
    fn an_unfit_executor_tries_one_task_after_the_time_it_names_or_a_growing_pause() {
        let mut executor_health = ExecutorHealth::default();
        let reset = now() + Duration::from_secs(3_600);
        executor_health.record(unfit(Some(reset)), now());
        assert_eq!(executor_health.unfit_until(), Some(reset));
        let (health, detail) = executor_health.health();
        assert_eq!(
            (health, &*detail),
            (WorkerHealth::Unhealthy, "You've hit your limit")
        );
        let mut pauses = Vec::new();
        for _ in 0..12 {
            executor_health.mark_present();
            assert!(executor_health.is_on_trial());
            assert_eq!(executor_health.health().0, WorkerHealth::Degraded);
            executor_health.record(unfit(Some(now())), now());
            let until = executor_health.unfit_until();
            pauses.extend(until.and_then(|until| until.duration_since(now()).ok()));
        }
        let seconds: Vec<_> = pauses.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
        executor_health.mark_present();
        executor_health.record(AttemptSignal::Healthy, now());
        assert_eq!(executor_health.health().0, WorkerHealth::Healthy);
        assert!(!executor_health.is_on_trial());
    }

    #[test]
    fn a_provider_that_asks_to_come_back_makes_it_wait_and_not_unfit_at_once() {
        let mut executor_health = ExecutorHealth::default();
        let busy = Unfit::new("429 Too Many Requests", None).about(Hindrance::Throttled);
        for pause in 1..=THROTTLED_PAUSES + 1 {
            executor_health.record(AttemptSignal::Unfit(busy.clone()), now());
            assert!(executor_health.unfit_until().is_some());
            let expected = match pause {
                ..=THROTTLED_PAUSES => (
                    WorkerHealth::Degraded,
                    "waits a moment: 429 Too Many Requests",
                ),
                _ => (WorkerHealth::Unhealthy, "429 Too Many Requests"),
            };
            let (health, detail) = executor_health.health();
            assert_eq!((health, &*detail), expected, "pause {pause}");
            executor_health.mark_present();
        }
    }

    #[test]
    fn what_several_attempts_find_out_counts_once_and_an_older_success_proves_nothing() {
        let mut executor_health = ExecutorHealth::default();
        for _ in 0..4 {
            executor_health.record(unfit(None), now());
        }
        let until = now() + FIRST_PAUSE;
        assert_eq!(executor_health.unfit_until(), Some(until));
        executor_health.record(AttemptSignal::Healthy, now());
        assert_eq!(executor_health.unfit_until(), Some(until));
    }
}
