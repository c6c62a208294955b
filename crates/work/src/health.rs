//! A worker's health, judged by how its attempts end, and how long it backs off after failures. Pure.

use std::time::Duration;

use shim_proto::coordination::v1::WorkerHealth;

/// So many crashes in a row make a worker degraded.
const CRASH_LOOP: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What an attempt says about its executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttemptSignal {
    /// The executor works.
    Healthy,
    /// The executor broke, with this message.
    Crash(String),
    /// The executor cannot run, for this reason.
    NotRunnable(String),
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
}

impl ExecutorHealth {
    /// Takes in how an attempt ended.
    pub(crate) fn record(&mut self, signal: AttemptSignal) {
        match signal {
            AttemptSignal::Healthy => *self = Self::default(),
            AttemptSignal::Crash(why) => {
                self.crashes = self.crashes.saturating_add(1);
                self.last_crash = why;
            }
            AttemptSignal::NotRunnable(why) => self.mark_missing(why),
            AttemptSignal::None => {}
        }
    }

    /// The executor cannot run, for this reason.
    pub(crate) fn mark_missing(&mut self, why: String) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.missing = Some(why);
    }

    /// The executor can run again. The backoff stays long until an attempt goes well.
    pub(crate) fn mark_present(&mut self) {
        self.missing = None;
    }

    /// The health, and the reason if it is not healthy.
    pub(crate) fn health(&self) -> (WorkerHealth, String) {
        if let Some(missing) = &self.missing {
            return (WorkerHealth::Unhealthy, missing.clone());
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

    fn crash() -> AttemptSignal {
        AttemptSignal::Crash("signal: 11".to_owned())
    }

    #[test]
    fn crashes_in_a_row_make_it_degraded_and_slow_and_success_makes_it_well() {
        let mut executor_health = ExecutorHealth::default();
        assert_eq!(executor_health.backoff(), None);
        executor_health.record(crash());
        executor_health.record(crash());
        assert_eq!(executor_health.health().0, WorkerHealth::Healthy);
        assert_eq!(executor_health.backoff(), Some(FIRST_BACKOFF * 2));
        executor_health.record(crash());
        let (health, detail) = executor_health.health();
        assert_eq!(health, WorkerHealth::Degraded);
        assert_eq!(detail, "crashed 3 times in a row: signal: 11");
        for _ in 0..100 {
            executor_health.record(crash());
        }
        assert_eq!(executor_health.backoff(), Some(LONGEST_BACKOFF));
        executor_health.record(AttemptSignal::Healthy);
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
            executor_health.record(AttemptSignal::NotRunnable("no such program".to_owned()));
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
}
