//! Who of the waiting workers gets which of the waiting tasks.
//!
//! Tasks are gone through in their order, priority and then age, so that no job starves another. Each goes to the worker
//! its strategy names among those that fit: work-conserving, since no worker that fits is left waiting while a task is.

use std::time::Duration;

use shim_proto::coordination::v1::AssignmentStrategy;

/// The head start that workers of other processes get before one that has no room but for one.
const MAX_HEAD_START: Duration = Duration::from_millis(20);
/// The least head start for the worker that has a task's files at hand.
const FILES_HEAD_START: Duration = Duration::from_millis(5);

/// A worker that waits for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    /// Its id.
    pub(crate) worker_id: &'a str,
    /// How many tasks it has.
    pub(crate) running: u32,
    /// How many it takes at once; at least 1.
    pub(crate) capacity: u32,
    /// How many things it can do.
    pub(crate) capabilities: usize,
    /// When it got its last task; 0 for never. Any clock that goes forward.
    pub(crate) last_assigned: u64,
}

/// A task that waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyTask<'a> {
    /// The queue it is first in.
    pub(crate) queue: &'a str,
    /// How to choose.
    pub(crate) strategy: AssignmentStrategy,
    /// The worker that had its files last, if any.
    pub(crate) near: &'a str,
}

/// Chooses a worker for each task; both are named by their places. `fits` tells whether a worker may look into a queue.
pub(crate) fn assign(
    tasks: &[ReadyTask<'_>],
    workers: &[Candidate<'_>],
    fits: impl Fn(&str, usize) -> bool,
) -> Vec<(usize, usize)> {
    let mut free: Vec<usize> = (0..workers.len()).collect();
    let mut chosen = Vec::new();
    for (task_index, task) in tasks.iter().enumerate() {
        let best = free
            .iter()
            .enumerate()
            .filter(|(_, worker)| fits(task.queue, **worker))
            .min_by(|(_, a), (_, b)| rank(task, &workers[**a]).cmp(&rank(task, &workers[**b])));
        if let Some((index, _)) = best {
            chosen.push((task_index, free.swap_remove(index)));
        }
        if free.is_empty() {
            break;
        }
    }
    chosen
}

/// The lowest gets the task: whoever has its files at hand, then by its strategy, then whoever waited longest for one.
fn rank<'a>(task: &ReadyTask<'_>, worker: &Candidate<'a>) -> (bool, u64, u64, u64, &'a str) {
    let is_far = task.near.is_empty() || task.near != worker.worker_id;
    let load = u64::from(worker.running) * 1_000 / u64::from(worker.capacity.max(1));
    let capabilities = worker.capabilities as u64;
    let last = worker.last_assigned;
    let (first, second, third) = match task.strategy {
        AssignmentStrategy::RoundRobin => (last, load, 0),
        AssignmentStrategy::Capability => (capabilities, load, last),
        AssignmentStrategy::Unspecified | AssignmentStrategy::LeastLoaded => (load, last, 0),
    };
    (is_far, first, second, third, worker.worker_id)
}

/// How long a worker lets those of other processes go first, who may have less to do or the task's files at hand.
pub(crate) fn head_start(worker: &Candidate<'_>, near: &str) -> Duration {
    let by_load = MAX_HEAD_START * worker.running / worker.capacity.max(1);
    if near.is_empty() || near == worker.worker_id {
        by_load
    } else {
        by_load.max(FILES_HEAD_START)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: &'static str, running: u32, capacity: u32) -> Candidate<'static> {
        Candidate {
            worker_id: id,
            running,
            capacity,
            capabilities: 1,
            last_assigned: 0,
        }
    }

    fn task(strategy: AssignmentStrategy) -> ReadyTask<'static> {
        ReadyTask {
            queue: "work",
            strategy,
            near: "",
        }
    }

    fn winner(task: ReadyTask<'_>, workers: &[Candidate<'_>]) -> usize {
        assign(&[task], workers, |_, _| true)[0].1
    }

    #[test]
    fn the_least_loaded_is_the_one_with_the_smallest_share_in_use() {
        let workers = [worker("a", 2, 4), worker("b", 3, 10), worker("c", 1, 1)];
        assert_eq!(winner(task(AssignmentStrategy::LeastLoaded), &workers), 1);
    }

    #[test]
    fn round_robin_goes_to_whose_last_task_is_longest_ago() {
        let mut workers = [worker("a", 0, 1), worker("b", 5, 9), worker("c", 0, 1)];
        for (worker, last) in workers.iter_mut().zip([7, 3, 9]) {
            worker.last_assigned = last;
        }
        assert_eq!(winner(task(AssignmentStrategy::RoundRobin), &workers), 1);
    }

    #[test]
    fn the_generalist_is_spared_by_capability() {
        let mut workers = [worker("a", 0, 1), worker("b", 0, 1)];
        workers[0].capabilities = 7;
        assert_eq!(winner(task(AssignmentStrategy::Capability), &workers), 1);
    }

    #[test]
    fn the_idle_and_the_near_wait_for_nobody() {
        assert_eq!(head_start(&worker("a", 0, 4), ""), Duration::ZERO);
        assert_eq!(head_start(&worker("a", 0, 4), "a"), Duration::ZERO);
        assert_eq!(head_start(&worker("a", 0, 4), "b"), FILES_HEAD_START);
        assert_eq!(head_start(&worker("a", 2, 4), "b"), MAX_HEAD_START / 2);
    }

    #[test]
    fn who_had_the_files_last_comes_before_all() {
        let workers = [worker("a", 0, 4), worker("b", 3, 4)];
        let near = ReadyTask {
            near: "b",
            ..task(AssignmentStrategy::LeastLoaded)
        };
        assert_eq!(winner(near, &workers), 1);
    }

    #[test]
    fn tasks_are_served_in_their_order_and_nobody_gets_two() {
        let workers = [worker("a", 0, 1), worker("b", 0, 1)];
        let in_queue = |queue| ReadyTask {
            queue,
            ..task(AssignmentStrategy::LeastLoaded)
        };
        let tasks = [in_queue("other"), in_queue("work"), in_queue("work")];
        // Only the second fits the first queue.
        let chosen = assign(&tasks, &workers, |queue, worker| {
            queue == "work" || worker == 1
        });
        assert_eq!(chosen, [(0, 1), (1, 0)]);
    }
}
