//! How well a worker is, judged by how its attempts end, and how long it pauses after trouble. Pure.

use std::time::Duration;

use shim_proto::coordination::v1::WorkerHealth;

/// As many crashes in a row are no accident.
const CRASH_LOOP: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an attempt says about its executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sign {
    /// It works.
    Well,
    /// It broke.
    Crash(String),
    /// It cannot run.
    Unfit(String),
    /// Nothing: the attempt was cut short.
    None,
}

/// The trouble there was since an attempt went well.
#[derive(Debug, Default)]
pub(super) struct Fitness {
    crashes: u32,
    failed_starts: u32,
    last_crash: String,
    /// Why it cannot run now.
    missing: Option<String>,
}

impl Fitness {
    /// Learns from an attempt that ended.
    pub(super) fn learn(&mut self, sign: Sign) {
        match sign {
            Sign::Well => *self = Self::default(),
            Sign::Crash(why) => {
                self.crashes = self.crashes.saturating_add(1);
                self.last_crash = why;
            }
            Sign::Unfit(why) => self.is_missing(why),
            Sign::None => {}
        }
    }

    /// It cannot run, for this reason.
    pub(super) fn is_missing(&mut self, why: String) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.missing = Some(why);
    }

    /// What was missing is there. The pauses stay long until an attempt goes well.
    pub(super) fn is_there(&mut self) {
        self.missing = None;
    }

    /// How well it is, and what troubles it.
    pub(super) fn health(&self) -> (WorkerHealth, String) {
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

    /// How long to wait before it is tried again; `None` if all is well.
    pub(super) fn pause(&self) -> Option<Duration> {
        let troubles = self.crashes.saturating_add(self.failed_starts);
        let doublings = troubles.checked_sub(1)?;
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
        Some(pause.min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash() -> Sign {
        Sign::Crash("signal: 11".to_owned())
    }

    #[test]
    fn crashes_in_a_row_make_it_degraded_and_slow_and_success_makes_it_well() {
        let mut fitness = Fitness::default();
        assert_eq!(fitness.pause(), None);
        fitness.learn(crash());
        fitness.learn(crash());
        assert_eq!(fitness.health().0, WorkerHealth::Healthy);
        assert_eq!(fitness.pause(), Some(FIRST_PAUSE * 2));
        fitness.learn(crash());
        let (health, detail) = fitness.health();
        assert_eq!(health, WorkerHealth::Degraded);
        assert_eq!(detail, "crashed 3 times in a row: signal: 11");
        for _ in 0..100 {
            fitness.learn(crash());
        }
        assert_eq!(fitness.pause(), Some(LONGEST_PAUSE));
        fitness.learn(Sign::Well);
        assert_eq!(
            (fitness.health().0, fitness.pause()),
            (WorkerHealth::Healthy, None)
        );
    }

    #[test]
    fn what_looks_fit_but_never_starts_is_tried_ever_more_rarely() {
        let mut fitness = Fitness::default();
        let mut pauses = Vec::new();
        for _ in 0..3 {
            fitness.learn(Sign::Unfit("no such program".to_owned()));
            assert_eq!(fitness.health().0, WorkerHealth::Unhealthy);
            pauses.extend(fitness.pause());
            fitness.is_there();
            assert_eq!(fitness.health().0, WorkerHealth::Healthy);
        }
        assert_eq!(pauses, [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]);
    }
}
