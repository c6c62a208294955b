//! What a run of the suite found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// From a death being known to the task starting elsewhere.
const AFTER_KNOWN: Duration = Duration::from_secs(1);
/// From the kill: the time after which workers are dead, and this.
const AFTER_DEAD: Duration = Duration::from_secs(1);

/// What a run found. The first group must be 0.
#[derive(Debug, Default, Clone, Serialize)]
pub struct TasksVerdict {
    /// Broken: tasks that did not end.
    pub tasks_lost: u64,
    /// Broken: results that were committed twice, or with the token of another worker.
    pub committed_twice: u64,
    /// Broken: effects that happened twice, or after a newer token was shown.
    pub effects_doubled: u64,
    /// Broken: completed tasks whose effect never happened.
    pub effects_missing: u64,
    /// Broken: tokens that were given twice, or are not in the order of the claims.
    pub tokens_out_of_order: u64,
    /// Broken: times at which two tasks had the same files.
    pub files_shared: u64,
    /// Broken: tasks that ended otherwise than they must.
    pub tasks_wrong: u64,
    /// Broken: jobs whose state or counts do not follow from their tasks.
    pub jobs_wrong: u64,
    /// Left in the queues when all had ended.
    pub left_in_queues: u64,
    /// Decisions that were not relayed to BullMQ.
    pub left_in_outbox: u64,
    /// Leases on files that were not released.
    pub leases_left: u64,
    /// Answers to workers that nothing explains.
    pub unexpected: u64,
    /// Processes that ended without being killed.
    pub left_by_themselves: u64,

    /// Where all chance came from.
    pub seed: u64,
    /// What was done, by victim and kind.
    pub faults: BTreeMap<String, u64>,
    /// Jobs that were submitted,
    pub jobs: u64,
    /// and the tasks of them that workers did.
    pub tasks: u64,
    /// Tasks by the state they ended in.
    pub ended: BTreeMap<String, u64>,
    /// How often a task was taken from its worker.
    pub requeued: u64,
    /// The most workers that died with one task.
    pub most_deaths: u64,
    /// Reports that were refused since the claim was lost.
    pub refused_reports: u64,
    /// Effects that the resource refused.
    pub refused_effects: u64,
    /// Workers that woke up and were dead to the registry.
    pub taken_for_dead: u64,
    /// Workers that had been given tasks they never heard of, and began anew.
    pub had_no_room: u64,
    /// Restarts of the tasks of killed workers, with nothing else going on.
    pub calm: Restarts,
    /// The same in the middle of everything else, with as many tasks waiting.
    pub stormy: Restarts,
    /// What BullMQ's own worker needs with its defaults, from the kill to the next start; unset if Node is not there.
    pub bullmq_kill_to_start_ms: Option<u64>,
    /// After which silence workers were dead.
    pub dead_after_ms: u64,
    /// How long it took.
    pub seconds: f64,
}

/// How fast tasks of killed workers started elsewhere, in milliseconds.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Restarts {
    /// From the death being known.
    pub known_to_start: Percentiles,
    /// From the kill.
    pub kill_to_start: Percentiles,
}

/// A distribution in milliseconds.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Percentiles {
    /// How many there are.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// All but one in a hundred are not more.
    pub p99: u64,
    /// The most.
    pub max: u64,
}

impl Percentiles {
    pub(super) fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |hundredths: usize| {
            let index = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
            times.get(index).copied().unwrap_or_default()
        };
        Self {
            count: times.len() as u64,
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

impl TasksVerdict {
    /// Whether every promise about what happens was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings() == 0
    }

    /// How many promises were found broken.
    pub(super) fn findings(&self) -> u64 {
        let broken = [
            self.tasks_lost,
            self.committed_twice,
            self.effects_doubled,
            self.effects_missing,
            self.tokens_out_of_order,
            self.files_shared,
            self.tasks_wrong,
            self.jobs_wrong,
            self.left_in_queues,
            self.left_in_outbox,
            self.leases_left,
            self.unexpected,
            self.left_by_themselves,
        ];
        broken.iter().sum()
    }

    /// Whether every promise about how fast it happens was kept, which a machine that is busy with other things may not
    /// allow.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.calm.known_to_start.max <= ms(AFTER_KNOWN)
            && self.calm.kill_to_start.max <= self.dead_after_ms + ms(AFTER_DEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_read_off_the_sorted_times() {
        let spread = Percentiles::of((1..=200).rev().collect());
        assert_eq!(
            (spread.count, spread.p50, spread.p99, spread.max),
            (200, 100, 198, 200)
        );
        assert_eq!(Percentiles::of(vec![7]).p50, 7);
        assert_eq!(Percentiles::of(Vec::new()).max, 0);
    }
}
