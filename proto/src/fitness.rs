//! Whether a worker can do tasks, as its message says it.

use prost_types::Timestamp;

use crate::coordination::v1::{Worker, WorkerHealth};

/// Why a worker gives back a task that it cannot do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldCause {
    /// It can do none until a time that it knows.
    Timed,
    /// It can do none, for no known time: the task itself may be what troubles it.
    Untimed,
    /// The network or the provider is away or busy, which passes by itself and costs the task nothing, however long.
    Passing,
}

/// Whether a worker can do no task: it says so, and names no time until when, or one that has not come.
#[must_use]
pub fn is_unfit(worker: &Worker, now: Timestamp) -> bool {
    let time = |at: Timestamp| (at.seconds, at.nanos);
    worker.health() == WorkerHealth::Unhealthy
        && worker
            .unfit_until
            .is_none_or(|until| time(until) > time(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_unfit_by_its_own_word_until_its_time() {
        let now = Timestamp {
            seconds: 100,
            nanos: 5,
        };
        let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
        let (healthy, degraded, unhealthy) = (
            WorkerHealth::Healthy,
            WorkerHealth::Degraded,
            WorkerHealth::Unhealthy,
        );
        for (health, until, expected) in [
            (healthy, None, false),
            (healthy, at(200, 0), false),
            (degraded, None, false),
            (unhealthy, None, true),
            (unhealthy, at(100, 6), true),
            (unhealthy, at(100, 5), false),
            (unhealthy, at(99, 9), false),
        ] {
            let worker = Worker {
                health: health.into(),
                unfit_until: until,
                ..Worker::default()
            };
            assert_eq!(is_unfit(&worker, now), expected, "{health:?} {until:?}");
        }
    }
}
