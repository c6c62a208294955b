//! The workers of this process: each runs a configured executor, is registered, gets tasks from the distributor, drains.

mod own;
mod redis_task_backend;
mod slots;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost_types::Timestamp;
use shim_proto::coordination::v1::{Worker as Registered, WorkerKind, WorkerState};
use shim_proto::worker::v1::WorkerReport;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::ids::WorkerId;
use shim_runtime::{process, worker_processes};
use shim_store::{Error, IdempotencyKey, Store};
use shim_work::{Executor, WorkerHandle, WorkerOptions};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;

use crate::checkpointing::Checkpointer;
use crate::config::{Config, ExecutorConfig, ExecutorKind};
use crate::distributor::Distributor;
use crate::error::WorkerError;
use crate::executor::ExecutorContext;
pub use own::OwnWorker;
use redis_task_backend::RedisTaskBackend;

/// How long one claim of a worker waits for a task.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// How long a stop waits; a worker whose program takes longer stops by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// The greatest number of workers of one process.
const MAX_WORKERS: usize = 64;

/// The workers of this process. Clones share them.
#[derive(Clone)]
pub(crate) struct WorkerPool {
    store: Store,
    distributor: Distributor,
    executor_context: ExecutorContext,
    config: Arc<Config>,
    checkpointer: Checkpointer,
    background: BackgroundTasks,
    workers: Arc<Mutex<Workers>>,
    /// `true` once no worker may start any more. A start holds the lock while it registers its worker, so that a repetition
    /// starts none and the end misses none. Nothing that reads, drains or stops waits for it.
    is_closed: Arc<AsyncMutex<bool>>,
}

type Workers = BTreeMap<WorkerId, Arc<PooledWorker>>;

struct PooledWorker {
    executor: String,
    backend: Arc<RedisTaskBackend>,
    worker: WorkerHandle,
}

/// What a request to start a worker says; what is empty or 0 is taken from the configuration.
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
        background: BackgroundTasks,
    ) -> Self {
        Self {
            store,
            distributor,
            executor_context,
            config,
            checkpointer,
            background,
            workers: Arc::default(),
            is_closed: Arc::default(),
        }
    }

    /// The names of the configured executors.
    fn executor_names(&self) -> impl Iterator<Item = &str> {
        self.config.executors.keys().map(String::as_str)
    }

    /// Registers a worker and lets it take tasks. A repetition of the request starts no second one.
    pub(crate) async fn start(
        &self,
        idempotency_key: &IdempotencyKey,
        start: StartOptions,
    ) -> Result<Registered, WorkerError> {
        let executor = self.config.executors.get(&start.executor).ok_or_else(|| {
            let known: Vec<_> = self.executor_names().collect();
            let name = start.executor.clone();
            match known.join(", ") {
                known if known.is_empty() => WorkerError::NoExecutors { name },
                known => WorkerError::ExecutorUnknown { name, known },
            }
        })?;
        let new_id = WorkerId::new();
        let new = registration(new_id, executor, &start);
        let does = self.executor_context.executor(executor);
        self.admit(idempotency_key, new_id, new, start.executor.clone(), does)
            .await
    }

    /// Registers a worker that does tasks with code of this process, and lets it take tasks.
    pub(crate) async fn start_own(
        &self,
        idempotency_key: &IdempotencyKey,
        own: &OwnWorker,
    ) -> Result<Registered, WorkerError> {
        let new_id = WorkerId::new();
        let new = Registered {
            worker_id: new_id.into(),
            name: own.name.to_owned(),
            kind: own.kind.into(),
            capacity: own.capacity,
            node: process::hostname(),
            processes: worker_processes::own(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Registered::default()
        };
        let does = Arc::clone(&own.executor);
        self.admit(idempotency_key, new_id, new, own.name.to_owned(), does)
            .await
    }

    async fn admit(
        &self,
        idempotency_key: &IdempotencyKey,
        new_id: WorkerId,
        new: Registered,
        name: String,
        does: Arc<dyn Executor>,
    ) -> Result<Registered, WorkerError> {
        let is_closed = self.is_closed.lock().await;
        if *is_closed {
            return Err(Error::Stopping.into());
        }
        if self.workers().len() >= MAX_WORKERS {
            return Err(Error::Overloaded.into());
        }
        let dead_after = self.store.registry_config().dead_after;
        let registry = &self.store.registry;
        let registered = registry.register(idempotency_key, new, dead_after).await?;
        let id = worker_id(&registered)?;
        if id != new_id && self.was_started(id).await? {
            return Ok(registered);
        }
        self.spawn(id, does, name, registered.clone());
        Ok(registered)
    }

    /// Whether a worker that an earlier request registered was started then; it may have stopped since.
    async fn was_started(&self, id: WorkerId) -> Result<bool, Error> {
        if self.workers().contains_key(&id) {
            return Ok(true);
        }
        let worker = self.store.registry.get(id).await?;
        Ok(worker.is_some_and(|worker| worker.state() == WorkerState::Stopped))
    }

    fn spawn(&self, id: WorkerId, does: Arc<dyn Executor>, name: String, registered: Registered) {
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
        let worker = WorkerHandle::start(backend.clone(), does, options, &self.background);
        tracing::info!(worker = %id, executor = name, "a worker started");
        let stopped = worker.stopped();
        let pooled = PooledWorker {
            executor: name,
            backend,
            worker,
        };
        self.workers().insert(id, Arc::new(pooled));
        self.remove_after(id, stopped);
    }

    fn remove_after(&self, id: WorkerId, stopped: impl Future<Output = ()> + Send + 'static) {
        // A pool that is dropped ends its workers, so nothing may keep them.
        let workers = Arc::downgrade(&self.workers);
        self.background
            .spawn_contained("worker_removal", async move {
                stopped.await;
                if let Some(workers) = workers.upgrade() {
                    locked(&workers).remove(&id);
                }
            });
    }

    /// Lets a worker finish its tasks; it leaves the pool when it has stopped. A worker that stopped before is returned as
    /// the registry knows it.
    pub(crate) async fn drain(
        &self,
        id: WorkerId,
        deadline: Duration,
    ) -> Result<Registered, Error> {
        let Ok(pooled) = self.pooled(id) else {
            return self.stopped_worker(id).await;
        };
        pooled.worker.drain(deadline);
        Ok(pooled.registered())
    }

    /// Stops a worker, and waits for its end as long as a call may take.
    pub(crate) async fn stop(&self, id: WorkerId) -> Result<Registered, Error> {
        let Ok(pooled) = self.pooled(id) else {
            return self.stopped_worker(id).await;
        };
        pooled.worker.stop();
        let _ = timeout(STOP_TIMEOUT, pooled.worker.stopped()).await;
        Ok(pooled.registered())
    }

    async fn stopped_worker(&self, id: WorkerId) -> Result<Registered, Error> {
        let worker = self.store.registry.get(id).await?;
        worker
            .filter(|worker| worker.state() == WorkerState::Stopped)
            .ok_or_else(|| Error::WorkerNotFound(id.to_string()))
    }

    /// The reports of one worker of this process, or of all.
    pub(crate) fn reports(&self, id: Option<WorkerId>) -> Result<Vec<WorkerReport>, Error> {
        if let Some(id) = id {
            return Ok(vec![self.pooled(id)?.report()]);
        }
        let workers: Vec<_> = self.workers().values().cloned().collect();
        Ok(workers.iter().map(|pooled| pooled.report()).collect())
    }

    /// Drains all workers, waits until they have stopped, and lets go of their sessions.
    pub(crate) async fn finish(&self) {
        *self.is_closed.lock().await = true;
        let workers: Vec<_> = self.workers().values().cloned().collect();
        for pooled in &workers {
            pooled.worker.drain(self.config.drain);
        }
        for pooled in workers {
            pooled.worker.stopped().await;
        }
        self.checkpointer.close();
    }

    fn pooled(&self, id: WorkerId) -> Result<Arc<PooledWorker>, Error> {
        let pooled = self.workers().get(&id).cloned();
        pooled.ok_or_else(|| Error::WorkerNotFound(id.to_string()))
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        locked(&self.workers)
    }
}

fn locked(workers: &Mutex<Workers>) -> MutexGuard<'_, Workers> {
    workers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The id of a worker from the registry, which gives out no other ids than those it was asked to register.
fn worker_id(registered: &Registered) -> Result<WorkerId, Error> {
    registered.worker_id.parse().map_err(|_| {
        tracing::error!(
            worker = registered.worker_id,
            "the registry holds no such id"
        );
        Error::Defect
    })
}

impl PooledWorker {
    fn registered(&self) -> Registered {
        let heartbeat = self.worker.report().heartbeat;
        Registered {
            state: heartbeat.state.into(),
            health: heartbeat.health.into(),
            running: heartbeat.running,
            detail: heartbeat.detail,
            unfit_until: heartbeat.unfit_until.map(Timestamp::from),
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
            held: report.held,
        }
    }
}

/// The registration of a new worker.
fn registration(id: WorkerId, executor: &ExecutorConfig, start: &StartOptions) -> Registered {
    let mut capabilities = executor.capabilities.clone();
    capabilities.extend(start.capabilities.iter().cloned());
    capabilities.sort();
    capabilities.dedup();
    let kind = match executor.kind {
        ExecutorKind::Command => WorkerKind::Command,
        ExecutorKind::Agent => WorkerKind::Agent,
    };
    Registered {
        worker_id: id.into(),
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
        processes: worker_processes::own(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Registered::default()
    }
}
