//! The living workers that serve a queue, and their free capacity.

use shim_proto::coordination::v1::{Worker, WorkerHealth, WorkerState};

/// The capacity that living workers offer to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueCapacity {
    /// Workers that fit the queue.
    pub(crate) workers: u32,
    /// How many more tasks those workers can take.
    pub(crate) room: u32,
    /// Tasks wait, and no worker fits.
    pub(crate) starving: bool,
    /// Tasks wait, and every worker that fits is full.
    pub(crate) saturated: bool,
}

impl QueueCapacity {
    /// The capacity for a queue with `waiting` tasks, by the living workers that fit.
    pub(crate) fn of<'a>(waiting: u64, fitting: impl Iterator<Item = &'a Worker>) -> Self {
        let (workers, room) = fitting.fold((0, 0u32), |(count, room), worker| {
            (count + 1, room.saturating_add(room_of(worker)))
        });
        Self {
            workers,
            room,
            starving: waiting > 0 && workers == 0,
            saturated: waiting > 0 && workers > 0 && room == 0,
        }
    }
}

/// The free slots of a worker. A worker that starts, drains or is unhealthy takes no new task.
fn room_of(worker: &Worker) -> u32 {
    let takes = matches!(worker.state(), WorkerState::Idle | WorkerState::Busy)
        && worker.health() != WorkerHealth::Unhealthy;
    if takes {
        worker.capacity.saturating_sub(worker.running)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let capacity = QueueCapacity::of(9, workers.iter());
        assert_eq!((capacity.workers, capacity.room), (4, 4));
        assert!(!capacity.starving && !capacity.saturated);
    }

    #[test]
    fn a_queue_starves_without_workers_and_is_saturated_without_room() {
        let saturated = QueueCapacity::of(5, [worker(2, 2)].iter());
        assert!(saturated.saturated && !saturated.starving);
        let starving = QueueCapacity::of(5, std::iter::empty());
        assert!(starving.starving && !starving.saturated);
        let idle = QueueCapacity::of(0, std::iter::empty());
        assert!(!idle.starving && !idle.saturated);
    }

    #[test]
    fn a_draining_or_unhealthy_worker_has_no_room() {
        let mut workers = [worker(2, 0), worker(2, 0)];
        workers[0].state = WorkerState::Draining.into();
        workers[1].health = WorkerHealth::Unhealthy.into();
        let capacity = QueueCapacity::of(1, workers.iter());
        assert_eq!((capacity.workers, capacity.room), (2, 0));
        assert!(capacity.saturated);
    }
}
