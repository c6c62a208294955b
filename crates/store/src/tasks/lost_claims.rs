//! Claims whose answers got lost, of claimers without a request id: they cannot ask again under the same request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shim_runtime::ids::WorkerId;

/// The ids of tasks that may have been claimed, by worker.
#[derive(Default)]
pub(super) struct LostClaims(Mutex<HashMap<WorkerId, Vec<String>>>);

impl LostClaims {
    /// Remembers a task that a worker of this process may have claimed, though the answer did not arrive.
    pub(super) fn add(&self, worker_id: WorkerId, task_id: String) {
        let mut by_worker = self.locked();
        by_worker.entry(worker_id).or_default().push(task_id);
    }

    /// One such task, which is remembered no longer.
    pub(super) fn take(&self, worker_id: WorkerId) -> Option<String> {
        let mut by_worker = self.locked();
        let tasks = by_worker.get_mut(&worker_id)?;
        let task_id = tasks.pop();
        if tasks.is_empty() {
            by_worker.remove(&worker_id);
        }
        task_id
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<WorkerId, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
