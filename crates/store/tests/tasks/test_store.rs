//! A store of its own for each test, and jobs to put into it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use shim_proto::coordination::v1::{
    FileLease, Requirements, Task, TaskError, TaskResult, Usage, WorkerKind,
};
use shim_redis_harness::{Launch, Redis};
use shim_runtime::config::Settings;
use shim_runtime::ids::{Epoch, WorkerId};
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{
    Claimed, Claimer, LineageLimits, ProgressReport, QueueHead, Submission, SweepConfig,
    SweepResult, WaitingWorkers, WorkerGone,
};
use shim_store::{Config, Error, IdempotencyKey, Store};
use uuid::Uuid;

pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) redis: Redis,
    shutdown: Shutdown,
}

impl Drop for TestStore {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

impl TestStore {
    pub(crate) async fn new() -> Self {
        Self::with(Launch::new()).await
    }

    /// Over a Redis that loses nothing it answered, though it is killed.
    pub(crate) async fn lasting() -> Self {
        Self::with(Launch::new().setting("appendfsync", "always")).await
    }

    async fn with(launch: Launch) -> Self {
        Self::over(tokio::task::block_in_place(|| launch.start())).await
    }

    /// Over a Redis that runs.
    pub(crate) async fn over(redis: Redis) -> Self {
        let shutdown = Shutdown::new();
        let store = store_at(&redis.unix_url(), &shutdown).await;
        Self {
            store,
            redis,
            shutdown,
        }
    }

    /// Another process's store over the same Redis.
    pub(crate) async fn another(&self) -> Store {
        store_at(&self.redis.unix_url(), &self.shutdown).await
    }

    pub(crate) async fn submit(&self, plan: Submission) -> Vec<String> {
        let job = self.store.tasks.submit(&once(), &plan).await.unwrap();
        std::iter::once(job.root)
            .chain(job.subtasks)
            .map(|task| task.task_id)
            .collect()
    }

    pub(crate) async fn claim(&self, worker: &str) -> Option<Claimed> {
        claim_in(&self.store, "work", worker).await
    }

    /// Kills Redis and starts it again, and waits until it can be used.
    pub(crate) async fn restart_redis(&mut self) {
        tokio::task::block_in_place(|| self.redis.restart());
        while self.store.tasks.health().await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until everything is relayed.
    pub(crate) async fn wait_until_relayed(&self) {
        while self.store.tasks.health().await.unwrap().outbox > 0 {
            self.sweep().await;
        }
    }

    /// What waits first in some queues.
    pub(crate) async fn heads(&self, queues: &[&str], max: usize) -> Vec<QueueHead> {
        let heads = self
            .store
            .tasks
            .heads(queues, max, WaitingWorkers::default());
        heads.await.unwrap().heads
    }

    /// Waits until so many tasks are put aside and due again.
    pub(crate) async fn wait_for_file_waiters(&self, count: usize) {
        loop {
            let heads = self.heads(&["work"], count).await;
            if heads.len() >= count {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the time of Redis is another one.
    pub(crate) async fn next_millisecond(&self) {
        let now = || self.redis.command(&["TIME"]).unwrap();
        let since = now();
        while now() == since {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(crate) async fn leases(&self, workspace: &str) -> Vec<FileLease> {
        let leases = self.store.files.list(workspace, |_| true, Vec::new());
        leases.await.unwrap()
    }

    /// What the time brings, with patience for everything.
    pub(crate) async fn sweep(&self) -> SweepResult {
        self.store.tasks.sweep(&patient()).await.unwrap()
    }

    pub(crate) async fn task(&self, id: &str) -> Task {
        self.store.tasks.get(id).await.unwrap().unwrap()
    }

    /// Claims until there is something to claim.
    pub(crate) async fn claim_soon(&self, worker: &str) -> Claimed {
        loop {
            if let Some(claimed) = self.claim(worker).await {
                return claimed;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn fail(&self, claimed: &Claimed, is_final: bool) -> Task {
        let (once, usage) = (once(), Usage::default());
        let error = TaskError {
            reason: "EXECUTOR_FAILED".to_owned(),
            message: "it broke".to_owned(),
        };
        let (id, lease) = (&claimed.task.task_id, claimed.lease);
        let failed = self
            .store
            .tasks
            .fail(&once, id, lease, &error, is_final, &usage);
        failed.await.unwrap()
    }

    /// Repeats the request as a client does, if a busy machine's Redis took too long to answer.
    pub(crate) async fn cancel(&self, id: &str) -> u32 {
        let once = once();
        loop {
            match self.store.tasks.cancel(&once, id, "").await {
                Err(Error::Unavailable(_)) => {}
                cancelled => return cancelled.unwrap().1,
            }
        }
    }

    /// Repeats the request as a client does, if a busy machine's Redis took too long to answer.
    pub(crate) async fn retry(&self, id: &str) -> u32 {
        let once = once();
        loop {
            match self.store.tasks.retry(&once, id).await {
                Err(Error::Unavailable(_)) => {}
                retried => return retried.unwrap().1,
            }
        }
    }

    pub(crate) async fn release_worker_tasks(&self, worker: &str, died: bool) -> u64 {
        let worker_gone = WorkerGone {
            worker_id: worker_id(worker),
            epoch: Epoch(1),
            why: "its worker is gone".to_owned(),
            died,
            known_at: None,
        };
        self.store
            .tasks
            .release_worker_tasks(&worker_gone)
            .await
            .unwrap()
    }

    pub(crate) async fn state(&self, id: &str) -> String {
        let task = self.store.tasks.get(id).await.unwrap().unwrap();
        task.state()
            .as_str_name()
            .trim_start_matches("TASK_STATE_")
            .to_owned()
    }

    pub(crate) async fn complete(&self, claimed: &Claimed, text: &str) {
        let (once, result, usage) = (once(), result(text), Usage::default());
        let (id, lease) = (&claimed.task.task_id, claimed.lease);
        let done = self.store.tasks.complete(&once, id, lease, &result, &usage);
        done.await.unwrap();
    }

    pub(crate) async fn report(&self, claimed: &Claimed, progress: f64) -> Result<Task, Error> {
        let report = ProgressReport {
            progress,
            ..ProgressReport::default()
        };
        let id = &claimed.task.task_id;
        self.store.tasks.report(id, claimed.lease, &report).await
    }
}

/// A sweep that finds nothing stuck and forgets nothing.
pub(crate) fn patient() -> SweepConfig {
    SweepConfig {
        stuck_after: Duration::from_secs(600),
        keep: Duration::from_secs(3_600),
        keep_jobs: 100_000,
        keep_dead_letters: 100_000,
    }
}

pub(crate) async fn store_at(url: &str, shutdown: &Shutdown) -> Store {
    let flags = [("redis_url".to_owned(), url.to_owned())];
    let mut settings = Settings::gather(None, [], flags).unwrap();
    let config = Config::read(&mut settings);
    settings.finish().unwrap();
    let mut store = Store::open_at(&config, shutdown).unwrap();
    while store.connection.health().is_err() {
        store.connection.health_changed().await;
    }
    store
}

pub(crate) async fn claim_in(store: &Store, queue: &str, worker: &str) -> Option<Claimed> {
    store.tasks.take(queue, &claimer(worker)).await.unwrap()
}

pub(crate) fn claimer(worker: &str) -> Claimer {
    Claimer {
        worker_id: worker_id(worker),
        epoch: Epoch(1),
        kind: WorkerKind::Chat,
        session_id: None,
        capacity: 100,
        idempotency_key: None,
    }
}

/// The id of a worker that a test knows by a short name.
pub(crate) fn worker_id(name: &str) -> WorkerId {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    WorkerId::from(Uuid::from_u64_pair(hasher.finish(), 0))
}

pub(crate) fn once() -> IdempotencyKey {
    IdempotencyKey {
        request_id: Uuid::now_v7().to_string(),
        fingerprint: String::new(),
    }
}

pub(crate) fn result(text: &str) -> TaskResult {
    TaskResult {
        text: text.to_owned(),
        ..TaskResult::default()
    }
}

pub(crate) fn task(goal: &str) -> Task {
    let id = Uuid::now_v7().to_string();
    Task {
        root_id: id.clone(),
        task_id: id,
        goal: goal.to_owned(),
        priority: 50,
        max_attempts: 3,
        weight: 1.0,
        requirements: Some(Requirements {
            executor: WorkerKind::Unspecified.into(),
            capabilities: Vec::new(),
        }),
        ..Task::default()
    }
}

/// A job of one task.
pub(crate) fn single(goal: &str) -> Submission {
    plan(task(goal), Vec::new())
}

pub(crate) fn plan(root: Task, subtasks: Vec<Task>) -> Submission {
    Submission {
        root,
        subtasks,
        delay: Duration::ZERO,
        backoff: Duration::from_millis(10),
        schedule_next: None,
        lineage: LineageLimits::default(),
        caller: String::new(),
    }
}

/// A job with parts that wait for those named by their places before them.
pub(crate) fn graph(edges: &[&[usize]]) -> Submission {
    let root = task("all");
    let mut parts: Vec<Task> = Vec::new();
    for (index, before) in edges.iter().enumerate() {
        let mut part = task(&format!("part {index}"));
        part.root_id.clone_from(&root.task_id);
        part.key = index.to_string();
        part.depends_on = before.iter().map(|b| parts[*b].task_id.clone()).collect();
        parts.push(part);
    }
    plan(root, parts)
}
