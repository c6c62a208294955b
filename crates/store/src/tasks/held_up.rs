//! What holds ready tasks up, though a worker may be free: another holder's lease on files that they want, or a pause of
//! their queue.

use std::collections::{BTreeMap, BTreeSet};

use redis::cmd;
use shim_proto::coordination::v1::{FileLeaseMode, FileWait, Task, TaskState};

use super::class::Class;
use super::file_waiters::patterns;
use super::task_store::Tasks;
use crate::domain::leases::{Conflict, LeaseSpec};
use crate::error::Error;

impl Tasks {
    /// Says of each ready task whether its queue is paused, and whether another holder's lease on its files is in its way.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn note_holds(&self, tasks: &mut [Task]) -> Result<(), Error> {
        self.note_pauses(tasks).await?;
        self.note_file_waits(tasks).await
    }

    async fn note_pauses(&self, tasks: &mut [Task]) -> Result<(), Error> {
        let mut paused: BTreeMap<String, bool> = BTreeMap::new();
        for task in tasks.iter_mut().filter(|task| is_waiting(task)) {
            let queue = Class::of(task.requirements.as_ref()).name;
            task.queue_paused = match paused.get(&queue) {
                Some(known) => *known,
                None => {
                    let meta = self.runner.slot.key(&format!("{queue}:meta"));
                    let look = cmd("HEXISTS").arg(meta).arg("paused").to_owned();
                    let is_paused = self.runner.connection.query::<u8>(&look).await? == 1;
                    paused.insert(queue, is_paused);
                    is_paused
                }
            };
        }
        Ok(())
    }

    async fn note_file_waits(&self, tasks: &mut [Task]) -> Result<(), Error> {
        let waiting = tasks.iter().filter(|task| is_candidate(task));
        let workspaces: BTreeSet<String> = waiting.map(|task| task.workspace.clone()).collect();
        for workspace in workspaces {
            let wanting = tasks.iter_mut();
            let mut wanting: Vec<&mut Task> = wanting
                .filter(|task| is_candidate(task) && task.workspace == workspace)
                .collect();
            let specs = wanting.iter().map(|task| spec(task)).collect();
            let files = self.relay.file_waiters.files();
            let conflicts = files.conflicts(&workspace, specs).await?;
            for (task, conflict) in wanting.iter_mut().zip(conflicts) {
                task.file_wait = conflict.map(file_wait);
            }
        }
        Ok(())
    }
}

fn is_waiting(task: &Task) -> bool {
    task.state() == TaskState::Ready && task.subtasks.is_none()
}

fn is_candidate(task: &Task) -> bool {
    is_waiting(task) && !task.files.is_empty()
}

fn spec(task: &Task) -> LeaseSpec {
    LeaseSpec {
        holder: task.task_id.clone(),
        mode: FileLeaseMode::Exclusive,
        patterns: patterns(&task.files),
    }
}

fn file_wait(conflict: Conflict) -> FileWait {
    let Conflict {
        wanted,
        pattern,
        lease,
    } = conflict;
    FileWait {
        wanted,
        pattern,
        holder: lease.holder,
        purpose: lease.purpose,
        since: lease.acquired_at,
        until: lease.expires_at,
    }
}
