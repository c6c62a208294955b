//! The living workers that serve a queue, and their free capacity. Pure: the time is an argument.

use prost_types::Timestamp;
use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_proto::fitness::is_unfit;

/// The capacity that living workers offer to a queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct QueueCapacity {
    /// Workers that fit the queue.
    pub(crate) workers: u32,
    /// How many more tasks those workers can take.
    pub(crate) room: u32,
    /// Tasks wait, and no worker fits.
    pub(crate) starving: bool,
    /// Tasks wait, and every worker that fits and can work is full.
    pub(crate) saturated: bool,
    /// Workers that fit and can do no task now.
    pub(crate) unfit: u32,
    /// What troubles the one of these that can work again first.
    pub(crate) unfit_why: String,
    /// When that one can, if it knows.
    pub(crate) fit_at: Option<Timestamp>,
}

impl QueueCapacity {
    /// The capacity for a queue with `waiting` tasks, by the living workers that fit.
    pub(crate) fn of<'a>(
        waiting: u64,
        fitting: impl Iterator<Item = &'a Worker>,
        now: Timestamp,
    ) -> Self {
        let (unfit, fit): (Vec<&Worker>, Vec<&Worker>) =
            fitting.partition(|worker| is_unfit(worker, now));
        let room = fit
            .iter()
            .fold(0_u32, |room, worker| room.saturating_add(room_of(worker)));
        // A worker that knows no time comes last.
        let when = |worker: &&&Worker| match worker.unfit_until {
            Some(until) => (false, until.seconds, until.nanos),
            None => (true, 0, 0),
        };
        let first = unfit.iter().min_by_key(when);
        Self {
            workers: count(unfit.len() + fit.len()),
            room,
            starving: waiting > 0 && unfit.is_empty() && fit.is_empty(),
            saturated: waiting > 0 && !fit.is_empty() && room == 0,
            unfit: count(unfit.len()),
            unfit_why: first.map_or_else(String::new, |worker| worker.detail.clone()),
            fit_at: first.and_then(|worker| worker.unfit_until),
        }
    }
}

fn count(workers: usize) -> u32 {
    u32::try_from(workers).unwrap_or(u32::MAX)
}

/// The free slots of a worker. A worker that starts or drains takes no new task.
fn room_of(worker: &Worker) -> u32 {
    if matches!(worker.state(), WorkerState::Idle | WorkerState::Busy) {
        worker.capacity.saturating_sub(worker.running)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use shim_proto::coordination::v1::WorkerHealth;

    use super::*;

    fn after(seconds: i64) -> Timestamp {
        Timestamp {
            seconds: 1_764_500_000 + seconds,
            nanos: 0,
        }
    }

    fn now() -> Timestamp {
        after(0)
    }

    fn unfit(detail: &str, until: Option<i64>) -> Worker {
        Worker {
            health: WorkerHealth::Unhealthy.into(),
            detail: detail.to_owned(),
            unfit_until: until.map(after),
            ..worker(2, 0)
        }
    }

    fn worker(capacity: u32, running: u32) -> Worker {
        Worker {
            capacity,
            running,
            state: WorkerState::Idle.into(),
            ..Worker::default()
        }
    }

    #[test]
    fn room_is_the_sum_of_the_free_slots() {
        let workers = [worker(4, 1), worker(2, 2), worker(1, 0), worker(1, 3)];
        let capacity = QueueCapacity::of(9, workers.iter(), now());
        assert_eq!((capacity.workers, capacity.room), (4, 4));
        assert!(!capacity.starving && !capacity.saturated);
    }

    #[test]
    fn a_queue_starves_without_workers_and_is_saturated_without_room() {
        let saturated = QueueCapacity::of(5, [worker(2, 2)].iter(), now());
        assert!(saturated.saturated && !saturated.starving);
        let starving = QueueCapacity::of(5, std::iter::empty(), now());
        assert!(starving.starving && !starving.saturated);
        let idle = QueueCapacity::of(0, std::iter::empty(), now());
        assert!(!idle.starving && !idle.saturated);
    }

    #[test]
    fn a_draining_worker_has_no_room() {
        let mut workers = [worker(2, 0)];
        workers[0].state = WorkerState::Draining.into();
        let capacity = QueueCapacity::of(1, workers.iter(), now());
        assert_eq!((capacity.workers, capacity.room), (1, 0));
        assert!(capacity.saturated);
    }

    #[test]
    fn an_unfit_worker_is_not_full_and_the_first_to_be_fit_again_is_told() {
        let workers = [
            unfit("no program", None),
            unfit("weekly limit", Some(9_000)),
            unfit("session limit", Some(60)),
        ];
        let capacity = QueueCapacity::of(1, workers.iter(), now());
        assert_eq!((capacity.workers, capacity.unfit, capacity.room), (3, 3, 0));
        assert!(!capacity.saturated && !capacity.starving);
        assert_eq!(capacity.unfit_why, "session limit");
        assert_eq!(capacity.fit_at, workers[2].unfit_until);
        let capacity = QueueCapacity::of(1, workers.iter(), after(61));
        assert_eq!((capacity.unfit, capacity.room), (2, 2));
        let full = [worker(1, 1), unfit("no program", None)];
        assert!(QueueCapacity::of(1, full.iter(), now()).saturated);
    }
}
