//! The workers of this process: each a program from the configuration, registered, fed by the distributor and drained.

mod redis_task_backend;
mod slots;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{Worker as Registered, WorkerKind, WorkerState};
use shim_proto::worker::v1::WorkerReport;
use shim_runtime::process;
use shim_store::{Error, IdempotencyKey, Store};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;
use uuid::Uuid;

use crate::checkpointing::Checkpointer;
use crate::config::{Config, ExecutorConfig, ExecutorKind};
use crate::distributor::Distributor;
use crate::error::WorkerError;
use crate::executor::ExecutorContext;
use crate::run_loop::{WorkerHandle, WorkerOptions};
use redis_task_backend::RedisTaskBackend;

/// How long a worker waits for a task before it asks again.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// A worker whose program does not go is left to stop by itself after this.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Workers of one process.
const MAX_WORKERS: usize = 64;

/// Who runs here. Clones share them.
#[derive(Clone)]
pub(crate) struct WorkerPool {
    store: Store,
    distributor: Distributor,
    executor_context: ExecutorContext,
    config: Arc<Config>,
    checkpointer: Checkpointer,
    workers: Arc<Mutex<BTreeMap<String, Arc<PooledWorker>>>>,
    /// Held by who starts a worker, so that a repetition starts none; `true` once nobody starts any more.
    is_closing: Arc<AsyncMutex<bool>>,
}

struct PooledWorker {
    executor: String,
    backend: Arc<RedisTaskBackend>,
    worker: WorkerHandle,
}

/// What a worker is started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartOptions {
    pub(crate) executor: String,
    pub(crate) name: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) capacity: u32,
}

impl WorkerPool {
    pub(crate) fn new(
        store: Store,
        distributor: Distributor,
        executor_context: ExecutorContext,
        config: Arc<Config>,
        checkpointer: Checkpointer,
    ) -> Self {
        Self {
            store,
            distributor,
            executor_context,
            config,
            checkpointer,
            workers: Arc::default(),
            is_closing: Arc::default(),
        }
    }

    /// The executors there are, by name.
    pub(crate) fn executors(&self) -> impl Iterator<Item = &str> {
        self.config.executors.keys().map(String::as_str)
    }

    /// Starts a worker: registers it and lets it take tasks. The same request starts one.
    pub(crate) async fn start(
        &self,
        idempotency_key: &IdempotencyKey,
        start: StartOptions,
    ) -> Result<Registered, WorkerError> {
        let executor = self.config.executors.get(&start.executor).ok_or_else(|| {
            let known: Vec<_> = self.executors().collect();
            WorkerError::ExecutorUnknown {
                name: start.executor.clone(),
                known: known.join(", "),
            }
        })?;
        let is_closed = self.is_closing.lock().await;
        if *is_closed {
            return Err(Error::Stopping.into());
        }
        if self.workers().len() >= MAX_WORKERS {
            return Err(Error::Overloaded.into());
        }
        let new = registration(executor, &start);
        let new_id = new.worker_id.clone();
        let dead_after = self.store.registry_config().dead_after;
        let registry = &self.store.registry;
        let registered = registry.register(idempotency_key, new, dead_after).await?;
        if registered.worker_id != new_id && self.was_started(&registered.worker_id).await? {
            return Ok(registered);
        }
        self.spawn(executor, start.executor.clone(), registered.clone());
        Ok(registered)
    }

    /// Whether a worker that an earlier request registered was started then; it may have stopped since.
    async fn was_started(&self, id: &str) -> Result<bool, Error> {
        if self.workers().contains_key(id) {
            return Ok(true);
        }
        let worker = self.registry_entry(id).await?;
        Ok(worker.is_some_and(|worker| worker.state() == WorkerState::Stopped))
    }

    fn spawn(&self, executor: &ExecutorConfig, name: String, registered: Registered) {
        let id = registered.worker_id.clone();
        let options = WorkerOptions {
            capacity: registered.capacity,
            stuck_after: self.config.stuck_after,
            heartbeat_every: self.store.registry_config().heartbeat,
            claim_wait: CLAIM_WAIT,
        };
        let backend = Arc::new(RedisTaskBackend::new(
            self.store.clone(),
            self.distributor.clone(),
            self.checkpointer.clone(),
            registered,
        ));
        let worker = WorkerHandle::start(
            backend.clone(),
            self.executor_context.executor(executor),
            options,
        );
        tracing::info!(worker = id, executor = name, "a worker started");
        let pooled = PooledWorker {
            executor: name,
            backend,
            worker,
        };
        self.workers().insert(id, Arc::new(pooled));
    }

    /// Lets a worker finish what it has; it is gone from here once it stopped. One that stopped already is told as it
    /// was left.
    pub(crate) async fn drain(&self, id: &str, deadline: Duration) -> Result<Registered, Error> {
        let Ok(pooled) = self.pooled(id) else {
            return self.stopped_worker(id).await;
        };
        pooled.worker.drain(deadline);
        let (pool, id) = (self.clone(), id.to_owned());
        let leaving = pooled.clone();
        tokio::spawn(async move {
            leaving.worker.stopped().await;
            pool.workers().remove(&id);
        });
        Ok(pooled.registered())
    }

    /// Stops a worker, and waits until it has, or for as long as a call may take.
    pub(crate) async fn stop(&self, id: &str) -> Result<Registered, Error> {
        let Ok(pooled) = self.pooled(id) else {
            return self.stopped_worker(id).await;
        };
        self.drain(id, Duration::ZERO).await?;
        let _ = timeout(STOP_TIMEOUT, pooled.worker.stopped()).await;
        Ok(pooled.registered())
    }

    /// A worker as the registry has it; text that is no id names none.
    async fn registry_entry(&self, id: &str) -> Result<Option<Registered>, Error> {
        match id.parse() {
            Ok(id) => self.store.registry.get(id).await,
            Err(_) => Ok(None),
        }
    }

    async fn stopped_worker(&self, id: &str) -> Result<Registered, Error> {
        let worker = self.registry_entry(id).await?;
        worker
            .filter(|worker| worker.state() == WorkerState::Stopped)
            .ok_or_else(|| Error::WorkerNotFound(id.to_owned()))
    }

    /// How the workers here are; one of them, or all.
    pub(crate) fn reports(&self, id: Option<&str>) -> Result<Vec<WorkerReport>, Error> {
        if let Some(id) = id {
            return Ok(vec![self.pooled(id)?.report()]);
        }
        let workers: Vec<_> = self.workers().values().cloned().collect();
        Ok(workers.iter().map(|pooled| pooled.report()).collect())
    }

    /// Drains all, and waits until they stopped.
    pub(crate) async fn finish(&self) {
        *self.is_closing.lock().await = true;
        let workers: Vec<_> = self.workers().values().cloned().collect();
        for pooled in &workers {
            pooled.worker.drain(self.config.drain);
        }
        for pooled in workers {
            pooled.worker.stopped().await;
        }
    }

    fn pooled(&self, id: &str) -> Result<Arc<PooledWorker>, Error> {
        let pooled = self.workers().get(id).cloned();
        pooled.ok_or_else(|| Error::WorkerNotFound(id.to_owned()))
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<String, Arc<PooledWorker>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PooledWorker {
    fn registered(&self) -> Registered {
        let heartbeat = self.worker.report().heartbeat;
        Registered {
            state: heartbeat.state.into(),
            health: heartbeat.health.into(),
            running: heartbeat.running,
            detail: heartbeat.detail,
            ..self.backend.registered()
        }
    }

    fn report(&self) -> WorkerReport {
        let report = self.worker.report();
        WorkerReport {
            worker: Some(self.registered()),
            executor: self.executor.clone(),
            tasks: report.tasks,
            completed: report.completed,
            failed: report.failed,
            restarts: report.restarts,
        }
    }
}

/// What a new worker is registered as.
fn registration(executor: &ExecutorConfig, start: &StartOptions) -> Registered {
    let mut capabilities = executor.capabilities.clone();
    capabilities.extend(start.capabilities.iter().cloned());
    capabilities.sort();
    capabilities.dedup();
    let kind = match executor.kind {
        ExecutorKind::Command => WorkerKind::Command,
        ExecutorKind::Agent => WorkerKind::Agent,
    };
    Registered {
        worker_id: Uuid::now_v7().to_string(),
        name: if start.name.is_empty() {
            executor.name.clone()
        } else {
            start.name.clone()
        },
        kind: kind.into(),
        capabilities,
        capacity: if start.capacity == 0 {
            executor.capacity
        } else {
            start.capacity
        },
        node: process::hostname(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Registered::default()
    }
}
