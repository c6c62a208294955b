//! The jobs that this process took out of their queues, until their tasks end: only with what the taking returned can a job
//! be finished in BullMQ.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bullmq::TakenJob;

/// Jobs held at a time. BullMQ's job of one that was dropped too early is removed in the end, and its task loses nothing.
const MAX_TAKEN_JOBS: usize = 10_000;

/// Jobs by the ids of their tasks.
#[derive(Default)]
pub(super) struct TakenJobs(Mutex<HeldJob>);

#[derive(Default)]
struct HeldJob {
    jobs: HashMap<String, TakenJob>,
    /// Ids of tasks, the oldest first, among them some whose jobs are held no longer.
    order: VecDeque<String>,
}

impl TakenJobs {
    /// Holds a job whose task was claimed, until the task ends.
    pub(super) fn hold(&self, task_id: String, taken: TakenJob) {
        let mut held = self.locked();
        held.order.push_back(task_id.clone());
        held.jobs.insert(task_id, taken);
        held.forget_oldest();
    }

    /// Notes the result that BullMQ shows once the task is completed.
    pub(super) fn note_result(&self, task_id: &str, text: &str) {
        if let Some(taken) = self.locked().jobs.get_mut(task_id) {
            taken.set_result(text);
        }
    }

    /// The job of a task, if this process took it; it is held no longer.
    pub(super) fn take(&self, task_id: &str) -> Option<TakenJob> {
        self.locked().jobs.remove(task_id)
    }

    fn locked(&self) -> MutexGuard<'_, HeldJob> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldJob {
    /// Drops the jobs beyond the bound, whose tasks other processes may have ended.
    fn forget_oldest(&mut self) {
        if self.order.len() > 2 * MAX_TAKEN_JOBS {
            self.order.retain(|id| self.jobs.contains_key(id));
        }
        while self.jobs.len() > MAX_TAKEN_JOBS {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.jobs.remove(&oldest);
        }
    }
}
