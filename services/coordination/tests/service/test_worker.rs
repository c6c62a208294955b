//! Workers for the stories of tasks. They claim and report directly at the store, as the worker service does.

use shim_proto::coordination::v1::*;
use shim_proto::reasons::task::EXECUTOR_FAILED;
use shim_redis_harness::Redis;
use shim_runtime::config::Settings;
use shim_runtime::ids::{Epoch, WorkerId};
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Claimed, Claimer};
use shim_store::{Config, IdempotencyKey, Store};

use super::test_service::{TestService, id, within};

/// The queue of tasks without requirements.
pub(crate) const ANY_QUEUE: &str = "work";

/// A registered worker that claims one task at a time.
pub(crate) struct TestWorker {
    store: Store,
    claimer: Claimer,
    _shutdown: Shutdown,
}

impl TestWorker {
    /// A worker on this Redis.
    pub(crate) async fn start(redis: &Redis) -> Self {
        let flags = [("redis_url".to_owned(), redis.unix_url())];
        let mut settings = Settings::gather(None, [], flags).unwrap();
        let config = Config::read(&mut settings);
        settings.finish().unwrap();
        let shutdown = Shutdown::new();
        let store = Store::open_at(&config, &shutdown).unwrap();
        let mut worker = Self {
            store,
            claimer: Claimer {
                worker_id: WorkerId::new(),
                epoch: Epoch(1),
                kind: WorkerKind::Chat,
                session_id: None,
                capacity: 100,
                idempotency_key: None,
            },
            _shutdown: shutdown,
        };
        within(async {
            while worker.store.tasks.get("nothing").await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await;
        worker.register().await;
        worker
    }

    /// Registers the worker: the supervisor releases the tasks of an unknown one. It sends no heartbeats, and its `dead_after`
    /// outlasts any story.
    async fn register(&mut self) {
        let worker = Worker {
            worker_id: self.worker_id(),
            // No queue of these stories needs this kind, so the worker does not count in their health.
            kind: WorkerKind::Analysis.into(),
            capacity: self.claimer.capacity,
            ..Worker::default()
        };
        let registry = &self.store.registry;
        let dead_after = std::time::Duration::from_secs(3_600);
        let registered = registry
            .register(&new_idempotency_key(), worker, dead_after)
            .await;
        self.claimer.epoch = Epoch(registered.unwrap().epoch);
    }

    /// Claims and reports as this registered worker from now on.
    pub(crate) fn go_on_as(&mut self, worker: &Worker) {
        self.claimer.worker_id = worker.worker_id.parse().unwrap();
        self.claimer.epoch = Epoch(worker.epoch);
    }

    pub(crate) fn worker_id(&self) -> String {
        self.claimer.worker_id.to_string()
    }

    /// Claims the next task, if one is ready.
    pub(crate) async fn try_take(&self) -> Option<Claimed> {
        self.store
            .tasks
            .take(ANY_QUEUE, &self.claimer)
            .await
            .unwrap()
    }

    /// Waits for the next task and claims it; Redis may be away for a while.
    pub(crate) async fn take(&self) -> Claimed {
        within(async {
            loop {
                if let Ok(Some(claimed)) = self.store.tasks.take(ANY_QUEUE, &self.claimer).await {
                    return claimed;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await
    }

    pub(crate) async fn complete(&self, claimed: &Claimed, result: TaskResult) -> Task {
        let (task_id, lease) = (&claimed.task.task_id, claimed.lease);
        let tasks = &self.store.tasks;
        tasks
            .complete(
                &new_idempotency_key(),
                task_id,
                lease,
                &result,
                &Usage::default(),
            )
            .await
            .unwrap()
    }

    /// Fails a task without another attempt.
    pub(crate) async fn fail(&self, claimed: &Claimed, message: &str) -> Task {
        let error = TaskError {
            reason: EXECUTOR_FAILED.to_owned(),
            message: message.to_owned(),
        };
        let (task_id, lease) = (&claimed.task.task_id, claimed.lease);
        let tasks = &self.store.tasks;
        tasks
            .fail(
                &new_idempotency_key(),
                task_id,
                lease,
                &error,
                true,
                &Usage::default(),
            )
            .await
            .unwrap()
    }
}

fn new_idempotency_key() -> IdempotencyKey {
    IdempotencyKey {
        request_id: id(),
        fingerprint: String::new(),
    }
}

/// A result with a text.
pub(crate) fn result(text: &str) -> TaskResult {
    TaskResult {
        text: text.to_owned(),
        ..TaskResult::default()
    }
}

/// A job with a goal alone.
pub(crate) fn job(goal: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        request_id: id(),
        goal: goal.to_owned(),
        ..Default::default()
    }
}

/// A job of subtasks, each with its key and the keys of its dependencies.
pub(crate) fn job_of(subtasks: &[(&str, &[&str])]) -> SubmitTaskRequest {
    let subtask = |(key, depends_on): &(&str, &[&str])| Subtask {
        key: (*key).to_owned(),
        goal: format!("do {key}"),
        depends_on: depends_on.iter().map(|key| (*key).to_owned()).collect(),
        ..Subtask::default()
    };
    SubmitTaskRequest {
        subtasks: subtasks.iter().map(subtask).collect(),
        ..job("all of it")
    }
}

pub(crate) async fn submit(service: &TestService, job: SubmitTaskRequest) -> SubmitTaskResponse {
    let mut tasks = service.tasks.clone();
    tasks.submit_task(job).await.unwrap().into_inner()
}

/// A task with its result.
pub(crate) async fn get(service: &TestService, task_id: &str) -> Task {
    let request = GetTaskRequest {
        task_id: task_id.to_owned(),
        with_subtasks: false,
    };
    let mut tasks = service.tasks.clone();
    let answer = tasks.get_task(request).await.unwrap().into_inner();
    answer.task.unwrap()
}

/// A job's root and its subtasks.
pub(crate) async fn get_job(service: &TestService, root_id: &str) -> (Task, Vec<Task>) {
    let request = GetTaskRequest {
        task_id: root_id.to_owned(),
        with_subtasks: true,
    };
    let mut tasks = service.tasks.clone();
    let answer = tasks.get_task(request).await.unwrap().into_inner();
    (answer.task.unwrap(), answer.subtasks)
}

/// The states of a job's subtasks.
pub(crate) async fn states(service: &TestService, root_id: &str) -> Vec<TaskState> {
    let (_, subtasks) = get_job(service, root_id).await;
    subtasks.iter().map(Task::state).collect()
}
