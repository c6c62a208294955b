//! What is said of workers: how well they are, and what keeps those that fit from a queue's tasks. The current time is an
//! argument.

use std::time::SystemTime;

use shim_proto::coordination::v1::{QueueReport, Worker, WorkerHealth};

use crate::text::one_line;
use crate::time::{ago, moment};
use crate::words;

const MAX_REASON_CHARACTERS: usize = 200;

/// How well a worker is: "healthy", "unhealthy", or "unfit, again in 42 min".
#[must_use]
pub fn health(worker: &Worker, now: SystemTime) -> String {
    match moment(worker.unfit_until.as_ref()) {
        Some(until) if worker.health() == WorkerHealth::Unhealthy && until > now => {
            format!("unfit, again {}", ago(until, now))
        }
        _ => words::worker_health(worker.health()).to_owned(),
    }
}

/// Which of the workers that fit a queue can do no task now, and why: "the one fitting worker cannot work, again in 42 min:
/// You've hit your limit"; `None` if all can.
#[must_use]
pub fn unfit(queue: &QueueReport, now: SystemTime) -> Option<String> {
    let again = match moment(queue.fit_at.as_ref()) {
        Some(at) if at > now => format!(", again {}", ago(at, now)),
        _ => String::new(),
    };
    let who = match (queue.unfit, queue.workers) {
        (0, _) => return None,
        (1, 1) => format!("the one fitting worker cannot work{again}"),
        (unfit, all) if unfit >= all => format!("none of {all} fitting workers can work{again}"),
        (unfit, all) => format!("{unfit} of {all} fitting workers cannot work{again}"),
    };
    Some(match one_line(&queue.unfit_why, MAX_REASON_CHARACTERS) {
        why if why.is_empty() => who,
        why => format!("{who}: {why}"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prost_types::Timestamp;

    use super::*;

    fn present() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_500_000)
    }

    #[test]
    fn an_unfit_worker_is_told_with_the_time_at_which_it_tries_again() {
        let mut worker = Worker {
            health: WorkerHealth::Unhealthy.into(),
            ..Worker::default()
        };
        assert_eq!(health(&worker, present()), "unhealthy");
        worker.unfit_until = Some(Timestamp::from(present() + Duration::from_secs(2_520)));
        assert_eq!(health(&worker, present()), "unfit, again in 42 min");
        assert_eq!(
            health(&worker, present() + Duration::from_secs(2_520)),
            "unhealthy"
        );
        worker.health = WorkerHealth::Healthy.into();
        assert_eq!(health(&worker, present()), "healthy");
    }

    #[test]
    fn the_workers_that_cannot_work_are_told_with_the_reason() {
        let mut queue = QueueReport {
            workers: 1,
            unfit: 1,
            unfit_why: "claude is not on PATH".to_owned(),
            ..QueueReport::default()
        };
        let said = |queue: &QueueReport| unfit(queue, present()).unwrap_or_default();
        assert_eq!(
            said(&queue),
            "the one fitting worker cannot work: claude is not on PATH"
        );
        queue.fit_at = Some(Timestamp::from(present() + Duration::from_secs(60)));
        queue.workers = 3;
        assert_eq!(
            said(&queue),
            "1 of 3 fitting workers cannot work, again in 1 min: claude is not on PATH"
        );
        queue.unfit = 3;
        queue.unfit_why.clear();
        assert_eq!(
            said(&queue),
            "none of 3 fitting workers can work, again in 1 min"
        );
        queue.unfit = 0;
        assert_eq!(unfit(&queue, present()), None);
    }
}
