//! What became of jobs, as the store tells it when all is over: every task, and the log of every job.

use std::collections::BTreeMap;

use shim_proto::coordination::v1::{
    GetTaskRequest, GetWorkerRequest, Task, TaskEventKind, WatchTaskRequest, WorkerState,
};
use tonic::Status;

use super::submitter::{SubmittedJob, has_ended};
use crate::tasks::TaskClients;

/// A job with everything that is known of it.
pub(super) struct JobHistory {
    pub(super) root: Task,
    /// The tasks that workers did, in their order.
    pub(super) parts: Vec<Task>,
    /// What happened to each task, in order.
    pub(super) events: BTreeMap<String, Vec<LoggedEvent>>,
}

/// A line of a job's log.
#[derive(Debug, Clone)]
pub(super) struct LoggedEvent {
    pub(super) at_ms: u64,
    pub(super) kind: TaskEventKind,
    pub(super) worker: String,
}

impl JobHistory {
    pub(super) async fn of(job: &SubmittedJob, clients: &mut TaskClients) -> Result<Self, Status> {
        let request = GetTaskRequest {
            task_id: job.root_id.clone(),
            with_subtasks: true,
        };
        let answer = clients.jobs.get_task(request).await?.into_inner();
        let root = answer.task.unwrap_or_default();
        // Lists are without results.
        let mut parts = Vec::with_capacity(job.parts.len());
        for id in &job.parts {
            parts.push(clients.task(id).await?);
        }
        let events = if has_ended(&root) {
            read_log(&job.root_id, clients).await?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            root,
            parts,
            events,
        })
    }

    /// What happened to a task.
    pub(super) fn events_of(&self, task_id: &str) -> &[LoggedEvent] {
        self.events.get(task_id).map_or(&[], Vec::as_slice)
    }
}

/// The whole log of a job that has ended.
async fn read_log(
    root_id: &str,
    clients: &mut TaskClients,
) -> Result<BTreeMap<String, Vec<LoggedEvent>>, Status> {
    let request = WatchTaskRequest {
        task_id: root_id.to_owned(),
        after_cursor: String::new(),
    };
    let mut lines = clients.jobs.watch_task(request).await?.into_inner();
    let mut events = BTreeMap::<String, Vec<LoggedEvent>>::new();
    while let Some(line) = lines.message().await? {
        let Some(event) = line.event else { continue };
        let kind = event.kind();
        events.entry(event.task_id).or_default().push(LoggedEvent {
            at_ms: event.at.as_ref().map_or(0, millis),
            kind,
            worker: event.worker_id,
        });
    }
    Ok(events)
}

/// When the death of a worker was known; `None` if it lives or was forgotten.
pub(super) async fn died_at(worker_id: &str, clients: &mut TaskClients) -> Option<u64> {
    let request = GetWorkerRequest {
        worker_id: worker_id.to_owned(),
    };
    let answer = clients.registry.get_worker(request).await.ok()?;
    let worker = answer.into_inner().worker?;
    let is_dead = worker.state() == WorkerState::Dead;
    worker.due_at.filter(|_| is_dead).map(|time| millis(&time))
}

fn millis(time: &prost_types::Timestamp) -> u64 {
    let fraction = u64::try_from(time.nanos).unwrap_or_default() / 1_000_000;
    u64::try_from(time.seconds).unwrap_or_default() * 1_000 + fraction
}
