//! Assigns waiting tasks to waiting workers.
//!
//! Tasks are assigned in their order: by priority, then age, where a task that few living workers can do counts as older, so
//! that a worker with a rare capability is not taken by what others can do. A task is overtaken by those alone that came a
//! minute after it at most, so no job starves another. Each goes to the worker that its strategy chooses among those that
//! fit. The assignment is work-conserving: no worker that fits waits while a task waits.

use std::time::Duration;

use shim_proto::coordination::v1::AssignmentStrategy;

/// The head start of workers in other processes before a worker whose slots are nearly all in use.
const MAX_HEAD_START: Duration = Duration::from_millis(20);
/// The least head start for the worker that leased a task's files last.
const FILES_HEAD_START: Duration = Duration::from_millis(5);

/// How much older a task counts that one living worker alone can do; of one that `n` can do, an n-th of it.
const RARITY_BONUS_MS: i64 = 60_000;

/// A worker that waits for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    /// The worker's id.
    pub(crate) worker_id: &'a str,
    /// How many tasks it runs.
    pub(crate) running: u32,
    /// How many tasks it runs at most; at least 1.
    pub(crate) capacity: u32,
    /// How many capabilities it has.
    pub(crate) capabilities: usize,
    /// When it got its last task, by any monotonic clock; 0 for never.
    pub(crate) last_assigned: u64,
}

/// A task that waits for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyTask<'a> {
    /// The queue of which it is the head.
    pub(crate) queue: &'a str,
    /// How to choose its worker.
    pub(crate) strategy: AssignmentStrategy,
    /// The worker that leased its files last; empty if none did.
    pub(crate) near: &'a str,
    /// 0 comes first, 100 last.
    pub(crate) priority: u32,
    /// Since when it waits, in milliseconds of Unix time.
    pub(crate) since_ms: i64,
    /// How many living workers can do it, in any process; 0 if that is not known.
    pub(crate) fitting: u32,
}

impl ReadyTask<'_> {
    /// The place in the order of tasks; the lowest comes first.
    fn order(&self) -> (u32, i64) {
        let rarity = match self.fitting {
            0 => 0,
            fitting => RARITY_BONUS_MS / i64::from(fitting),
        };
        (self.priority, self.since_ms - rarity)
    }
}

/// Chooses a worker for each task; the pairs are indices into `tasks` and `workers`. `fits` says whether a worker may take
/// from a queue.
pub(crate) fn assign(
    tasks: &[ReadyTask<'_>],
    workers: &[Candidate<'_>],
    fits: impl Fn(&str, usize) -> bool,
) -> Vec<(usize, usize)> {
    let mut free: Vec<usize> = (0..workers.len()).collect();
    let mut chosen = Vec::new();
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by_key(|index| tasks[*index].order());
    for task_index in order {
        let task = &tasks[task_index];
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

/// The lowest rank gets the task: the worker that leased its files last, then by the strategy, then the longest wait.
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

/// How long a worker waits for workers of other processes, which may have less to do or the task's files at hand.
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
            priority: 50,
            since_ms: 1_000_000,
            fitting: 2,
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
    fn round_robin_goes_to_the_worker_whose_last_task_is_longest_ago() {
        let mut workers = [worker("a", 0, 1), worker("b", 5, 9), worker("c", 0, 1)];
        for (worker, last) in workers.iter_mut().zip([7, 3, 9]) {
            worker.last_assigned = last;
        }
        assert_eq!(winner(task(AssignmentStrategy::RoundRobin), &workers), 1);
    }

    #[test]
    fn the_capability_strategy_spares_the_generalist() {
        let mut workers = [worker("a", 0, 1), worker("b", 0, 1)];
        workers[0].capabilities = 7;
        assert_eq!(winner(task(AssignmentStrategy::Capability), &workers), 1);
    }

    #[test]
    fn the_idle_and_the_near_worker_do_not_wait() {
        assert_eq!(head_start(&worker("a", 0, 4), ""), Duration::ZERO);
        assert_eq!(head_start(&worker("a", 0, 4), "a"), Duration::ZERO);
        assert_eq!(head_start(&worker("a", 0, 4), "b"), FILES_HEAD_START);
        assert_eq!(head_start(&worker("a", 2, 4), "b"), MAX_HEAD_START / 2);
    }

    #[test]
    fn the_worker_that_had_the_files_last_comes_first() {
        let workers = [worker("a", 0, 4), worker("b", 3, 4)];
        let near = ReadyTask {
            near: "b",
            ..task(AssignmentStrategy::LeastLoaded)
        };
        assert_eq!(winner(near, &workers), 1);
    }

    #[test]
    fn tasks_are_served_in_their_order_and_no_worker_gets_two() {
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

    /// The tasks in the order in which they find a worker, by their queues.
    fn served<'a>(tasks: &[ReadyTask<'a>]) -> Vec<&'a str> {
        let names: Vec<String> = (0..tasks.len()).map(|n| n.to_string()).collect();
        let workers: Vec<Candidate<'_>> = names
            .iter()
            .map(|name| Candidate {
                worker_id: name,
                running: 0,
                capacity: 1,
                capabilities: 1,
                last_assigned: 0,
            })
            .collect();
        let chosen = assign(tasks, &workers, |_, _| true);
        chosen.iter().map(|(task, _)| tasks[*task].queue).collect()
    }

    #[test]
    fn what_fewer_workers_can_do_goes_first_but_overtakes_nobody_for_ever() {
        let of = |queue, priority, since_ms, fitting| ReadyTask {
            queue,
            priority,
            since_ms,
            fitting,
            ..task(AssignmentStrategy::LeastLoaded)
        };
        let (minute, now) = (60_000, 10_000_000);
        for (first, second, why) in [
            (
                of("rare", 50, now, 1),
                of("common", 50, now - 5_000, 4),
                "one can do it",
            ),
            (
                of("rare", 50, now, 2),
                of("common", 50, now - 5_000, 9),
                "two of nine can",
            ),
            (
                of("common", 50, now - 2 * minute, 4),
                of("rare", 50, now, 1),
                "it waited for long",
            ),
            (
                of("common", 10, now, 4),
                of("rare", 50, now - minute, 1),
                "its priority",
            ),
            (
                of("older", 50, now - 1, 1),
                of("newer", 50, now, 1),
                "one worker does both",
            ),
            (
                of("older", 50, now - 1, 0),
                of("newer", 50, now, 0),
                "nothing is known",
            ),
        ] {
            let expected = [first.queue, second.queue];
            assert_eq!(served(&[second, first]), expected, "{why}");
        }
    }
}
