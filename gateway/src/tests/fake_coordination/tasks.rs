//! The tasks of the stand-in: who may have which, by the rules of leases that the gateway depends on.

use std::collections::HashMap;
use std::time::SystemTime;

use prost_types::Timestamp;
use shim_proto::coordination::v1::*;
use shim_proto::worker::v1::ReportProgressRequest;
use tonic::{Code, Status};
use uuid::Uuid;

use super::store::fault;

/// What the stand-in knows of tasks.
#[derive(Default)]
pub(in crate::tests) struct Tasks {
    /// In the order they were submitted, parts after their job.
    pub(in crate::tests) all: Vec<Task>,
    pub(in crate::tests) submitted: Vec<SubmitTaskRequest>,
    pub(in crate::tests) reports: Vec<ReportProgressRequest>,
    /// Claims are made, and then their answer is lost, so many times.
    pub(in crate::tests) lose_claims: usize,
    /// Claims that came.
    pub(in crate::tests) claimers: usize,
    /// Watches that were opened.
    pub(in crate::tests) watchers: usize,
    leases: HashMap<String, u64>,
    claims: HashMap<String, (String, u64)>,
    last_lease: u64,
    log: Vec<(String, TaskEvent)>,
}

impl Tasks {
    pub(super) fn submit(&mut self, request: SubmitTaskRequest) -> SubmitTaskResponse {
        self.submitted.push(request.clone());
        let root = Uuid::now_v7().to_string();
        let mut job = task(&root, &root, &request.goal);
        job.submitted_by.clone_from(&request.submitted_by);
        job.files = request.files.into_iter().map(|file| file.path).collect();
        job.payload = request.payload;
        job.workspace.clone_from(&request.workspace);
        let waits = request.approval.is_some_and(|gates| gates.before_start);
        job.set_state(match (waits, request.subtasks.is_empty()) {
            (true, _) => TaskState::AwaitingApproval,
            (_, true) => TaskState::Ready,
            _ => TaskState::Running,
        });
        self.all.push(job);
        self.note(&root, TaskEventKind::Submitted, "");
        let ids: HashMap<_, _> = request
            .subtasks
            .iter()
            .map(|part| (part.key.clone(), Uuid::now_v7().to_string()))
            .collect();
        for part in request.subtasks {
            let mut subtask = task(&ids[&part.key], &root, &part.goal);
            subtask.depends_on = part.depends_on.iter().map(|key| ids[key].clone()).collect();
            subtask.key = part.key;
            subtask.files = part.files;
            subtask.workspace.clone_from(&request.workspace);
            self.all.push(subtask);
        }
        self.settle(&root);
        SubmitTaskResponse {
            task: self.find(&root).ok(),
            subtasks: self.parts(&root),
            reasoning: "the parts are the caller's own".into(),
            ..SubmitTaskResponse::default()
        }
    }

    pub(super) fn find(&self, id: &str) -> Result<Task, Status> {
        let found = self.all.iter().find(|task| task.task_id == id);
        found
            .cloned()
            .ok_or_else(|| fault(Code::NotFound, "TASK_NOT_FOUND", "list them"))
    }

    pub(super) fn parts(&self, root: &str) -> Vec<Task> {
        let of_job = self.all.iter().filter(|task| task.root_id == root);
        of_job
            .filter(|task| task.task_id != root)
            .cloned()
            .collect()
    }

    /// Exactly one claim gets a ready task; the same claim gets the same.
    pub(super) fn claim(&mut self, request_id: &str, worker: &str) -> Option<(Task, u64)> {
        if let Some((id, lease)) = self.claims.get(request_id) {
            return self.find(id).ok().map(|task| (task, *lease));
        }
        let ready = |task: &&mut Task| task.state() == TaskState::Ready;
        let task = self.all.iter_mut().find(ready)?;
        task.set_state(TaskState::Running);
        task.worker_id = worker.to_owned();
        task.attempts += 1;
        let task = task.clone();
        self.last_lease += 1;
        let lease = self.last_lease;
        self.leases.insert(task.task_id.clone(), lease);
        let claim = (task.task_id.clone(), lease);
        self.claims.insert(request_id.to_owned(), claim);
        self.note(&task.task_id, TaskEventKind::Started, worker);
        Some((task, lease))
    }

    fn check(&mut self, id: &str, lease: u64) -> Result<&mut Task, Status> {
        self.find(id)?;
        if self.leases.get(id) != Some(&lease) {
            let message = "the task was given to another worker";
            return Err(shim_runtime::service_error::ServiceError {
                code: Code::FailedPrecondition,
                reason: "STALE_LEASE",
                message: message.into(),
                remedy: Some("stop the executor".into()),
                retry_after: None,
            }
            .into());
        }
        let task = self.all.iter_mut().find(|task| task.task_id == id);
        Ok(task.unwrap())
    }

    pub(super) fn progress(&mut self, report: &ReportProgressRequest) -> Result<Task, Status> {
        self.reports.push(report.clone());
        let task = self.check(&report.task_id, report.lease)?;
        task.progress = task.progress.max(report.progress);
        task.note.clone_from(&report.note);
        if !report.checkpoint_id.is_empty() {
            task.checkpoint_id.clone_from(&report.checkpoint_id);
        }
        let task = task.clone();
        self.note(&task.task_id, TaskEventKind::Progress, &task.worker_id);
        Ok(task)
    }

    pub(super) fn complete(
        &mut self,
        id: &str,
        lease: u64,
        result: Option<TaskResult>,
    ) -> Result<Task, Status> {
        let task = self.check(id, lease)?;
        task.set_state(TaskState::Completed);
        task.progress = 1.0;
        task.result = result;
        Ok(self.ended(id, TaskEventKind::Completed))
    }

    pub(super) fn fail(
        &mut self,
        id: &str,
        lease: u64,
        error: Option<TaskError>,
        is_final: bool,
    ) -> Result<Task, Status> {
        let task = self.check(id, lease)?;
        task.error = error;
        task.set_state(if is_final {
            TaskState::Failed
        } else {
            TaskState::Delayed
        });
        let kind = if is_final {
            TaskEventKind::Failed
        } else {
            TaskEventKind::Retrying
        };
        Ok(self.ended(id, kind))
    }

    /// Given back by its worker, or taken from one that died.
    pub(in crate::tests) fn requeue(&mut self, id: &str) {
        let task = self.all.iter_mut().find(|task| task.task_id == id);
        task.unwrap().set_state(TaskState::Ready);
        self.ended(id, TaskEventKind::Requeued);
    }

    pub(super) fn release(&mut self, id: &str, lease: u64) -> Result<Task, Status> {
        self.check(id, lease)?;
        self.requeue(id);
        self.find(id)
    }

    pub(super) fn cancel(&mut self, id: &str) -> Result<(Task, u32), Status> {
        self.find(id)?;
        let mut ids = Vec::new();
        for task in &mut self.all {
            let is_open = !is_final(task.state());
            if is_open && (task.task_id == id || task.root_id == id) {
                task.set_state(TaskState::Cancelled);
                ids.push(task.task_id.clone());
            }
        }
        for id in &ids {
            self.ended(id, TaskEventKind::Cancelled);
        }
        Ok((self.find(id)?, u32::try_from(ids.len()).unwrap()))
    }

    pub(super) fn retry(&mut self, id: &str) -> Result<(Task, u32), Status> {
        self.find(id)?;
        let again = |task: &&mut Task| {
            let failed = matches!(task.state(), TaskState::Failed | TaskState::Cancelled);
            failed && (task.task_id == id || task.root_id == id)
        };
        let mut count = 0;
        for task in self.all.iter_mut().filter(again) {
            task.set_state(TaskState::Ready);
            count += 1;
        }
        match count {
            0 => Err(fault(
                Code::FailedPrecondition,
                "TASK_NOT_RETRYABLE",
                "look at it",
            )),
            count => Ok((self.find(id)?, count)),
        }
    }

    pub(super) fn approve(&mut self, id: &str, reject: bool) -> Result<Task, Status> {
        let mut task = self.find(id)?;
        if task.state() != TaskState::AwaitingApproval {
            let reason = "TASK_NOT_AWAITING_APPROVAL";
            return Err(fault(Code::FailedPrecondition, reason, "look at it"));
        }
        task.set_state(if reject {
            TaskState::Cancelled
        } else {
            TaskState::Ready
        });
        let known = self.all.iter_mut().find(|known| known.task_id == id);
        *known.unwrap() = task.clone();
        Ok(task)
    }

    pub(super) fn results(&self, id: &str) -> Result<AggregateResultsResponse, Status> {
        let job = self.find(id)?;
        let parts = self.parts(id);
        let (done, missing): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.result.is_some());
        let texts = done.iter().filter_map(|part| part.result.as_ref());
        let texts: Vec<_> = texts.map(|result| result.text.as_str()).collect();
        let missing = missing.into_iter().map(|part| MissingResult {
            state: part.state,
            task_id: part.task_id,
            key: part.key,
            error: part.error,
        });
        let missing: Vec<_> = missing.collect();
        Ok(AggregateResultsResponse {
            task: Some(job),
            result: Some(TaskResult {
                text: texts.join("\n"),
                ..TaskResult::default()
            }),
            complete: missing.is_empty(),
            missing,
        })
    }

    /// The log after a cursor, and whether its end was reached for good.
    pub(super) fn log_after(&self, id: &str, cursor: &str) -> (Vec<WatchTaskResponse>, bool) {
        let after: usize = cursor.parse().unwrap_or_default();
        let own = |(root, event): &&(String, TaskEvent)| root == id || event.task_id == id;
        let lines = self.log.iter().skip(after).filter(own);
        let lines = lines.map(|(_, event)| WatchTaskResponse {
            task: self.find(&event.task_id).ok(),
            event: Some(event.clone()),
        });
        let ended = self.find(id).is_ok_and(|task| is_final(task.state()));
        (lines.collect(), ended)
    }

    fn ended(&mut self, id: &str, kind: TaskEventKind) -> Task {
        self.leases.remove(id);
        self.note(id, kind, "");
        let task = self.find(id).unwrap();
        self.settle(&task.root_id);
        task
    }

    /// What can start is ready, and a job whose parts are done is done.
    fn settle(&mut self, root: &str) {
        let parts = self.parts(root);
        let done = |id: &String| {
            parts
                .iter()
                .any(|part| part.task_id == *id && part.state() == TaskState::Completed)
        };
        let mut events = Vec::new();
        for task in self.all.iter_mut().filter(|task| task.root_id == root) {
            if task.state() == TaskState::Pending && task.depends_on.iter().all(done) {
                task.set_state(TaskState::Ready);
                events.push((task.task_id.clone(), TaskEventKind::Ready));
            }
        }
        let job = self.all.iter_mut().find(|task| task.task_id == root);
        let job = job.unwrap();
        if !parts.is_empty() {
            job.subtasks = Some(counts(&parts));
        }
        let all_done = parts
            .iter()
            .all(|part| part.state() == TaskState::Completed);
        if !parts.is_empty() && all_done && !is_final(job.state()) {
            job.set_state(TaskState::Completed);
            job.progress = 1.0;
            events.push((root.to_owned(), TaskEventKind::Completed));
        }
        for (id, kind) in events {
            self.note(&id, kind, "");
        }
    }

    pub(in crate::tests) fn note(&mut self, id: &str, kind: TaskEventKind, worker: &str) {
        let task = self.find(id).unwrap();
        let event = TaskEvent {
            cursor: (self.log.len() + 1).to_string(),
            at: Some(Timestamp::from(SystemTime::now())),
            task_id: id.into(),
            kind: kind.into(),
            worker_id: worker.into(),
            progress: task.progress,
            detail: String::new(),
        };
        self.log.push((task.root_id, event));
    }
}

fn task(id: &str, root: &str, goal: &str) -> Task {
    Task {
        task_id: id.into(),
        root_id: root.into(),
        goal: goal.into(),
        state: TaskState::Pending.into(),
        priority: 50,
        max_attempts: 3,
        created_at: Some(Timestamp::from(SystemTime::now())),
        ..Task::default()
    }
}

fn counts(parts: &[Task]) -> TaskCounts {
    let of = |state| {
        let those = parts.iter().filter(|part| part.state() == state);
        u32::try_from(those.count()).unwrap()
    };
    TaskCounts {
        total: u32::try_from(parts.len()).unwrap(),
        waiting: of(TaskState::Pending),
        ready: of(TaskState::Ready),
        running: of(TaskState::Running),
        completed: of(TaskState::Completed),
        failed: of(TaskState::Failed),
        cancelled: of(TaskState::Cancelled),
    }
}

fn is_final(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::Completed | TaskState::Failed | TaskState::Cancelled
    )
}
