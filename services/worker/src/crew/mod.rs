//! The workers of this process: each a program from the configuration, registered, fed by the distributor and drained.

mod seats;
mod store_desk;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{Worker as Registered, WorkerKind, WorkerState};
use shim_proto::worker::v1::WorkerReport;
use shim_runtime::process;
use shim_store::{Error, Once, Store};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;
use uuid::Uuid;

use crate::config::{Config, ExecutorConfig, ExecutorKind};
use crate::distributor::Distributor;
use crate::executor::Workshop;
use crate::life::{Terms, Worker};
use crate::memory::Memory;
use store_desk::StoreDesk;

/// How long a worker waits for a task before it asks again.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// A worker whose program does not go is left to stop by itself after this.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Workers of one process.
const MOST: usize = 64;

/// Who runs here. Clones share them.
#[derive(Clone)]
pub(crate) struct Crew {
    store: Store,
    distributor: Distributor,
    workshop: Workshop,
    config: Arc<Config>,
    memory: Memory,
    members: Arc<Mutex<BTreeMap<String, Arc<Member>>>>,
    /// Held by who starts a worker, so that a repetition starts none; `true` once nobody starts any more.
    closing: Arc<AsyncMutex<bool>>,
}

struct Member {
    executor: String,
    desk: Arc<StoreDesk>,
    worker: Worker,
}

/// What a worker is started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    pub(crate) executor: String,
    pub(crate) name: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) capacity: u32,
}

impl Crew {
    pub(crate) fn new(
        store: Store,
        distributor: Distributor,
        workshop: Workshop,
        config: Arc<Config>,
        memory: Memory,
    ) -> Self {
        Self {
            store,
            distributor,
            workshop,
            config,
            memory,
            members: Arc::default(),
            closing: Arc::default(),
        }
    }

    /// The executors there are, by name.
    pub(crate) fn executors(&self) -> impl Iterator<Item = &str> {
        self.config.executors.keys().map(String::as_str)
    }

    /// Starts a worker: registers it and lets it take tasks. The same request starts one.
    pub(crate) async fn start(&self, once: &Once, start: Start) -> Result<Registered, Error> {
        let executor = self.config.executors.get(&start.executor).ok_or_else(|| {
            let known: Vec<_> = self.executors().collect();
            Error::ExecutorUnknown {
                name: start.executor.clone(),
                known: known.join(", "),
            }
        })?;
        let is_closed = self.closing.lock().await;
        if *is_closed {
            return Err(Error::Stopping);
        }
        if self.members().len() >= MOST {
            return Err(Error::Overloaded);
        }
        let new = identity(executor, &start);
        let new_id = new.worker_id.clone();
        let dead_after = self.store.beats().dead_after;
        let registry = &self.store.registry;
        let registered = registry.register(once, new, dead_after).await?;
        if registered.worker_id != new_id && self.was_started(&registered.worker_id).await? {
            return Ok(registered);
        }
        self.employ(executor, start.executor.clone(), registered.clone());
        Ok(registered)
    }

    /// Whether a worker that an earlier request registered was started then; it may have stopped since.
    async fn was_started(&self, id: &str) -> Result<bool, Error> {
        if self.members().contains_key(id) {
            return Ok(true);
        }
        let worker = self.store.registry.get(id).await?;
        Ok(worker.is_some_and(|worker| worker.state() == WorkerState::Stopped))
    }

    fn employ(&self, executor: &ExecutorConfig, name: String, registered: Registered) {
        let id = registered.worker_id.clone();
        let terms = Terms {
            capacity: registered.capacity,
            stuck_after: self.config.stuck_after,
            beat_every: self.store.beats().heartbeat,
            claim_wait: CLAIM_WAIT,
        };
        let desk = Arc::new(StoreDesk::new(
            self.store.clone(),
            self.distributor.clone(),
            self.memory.clone(),
            registered,
        ));
        let worker = Worker::start(desk.clone(), self.workshop.executor(executor), terms);
        tracing::info!(worker = id, executor = name, "a worker started");
        let member = Member {
            executor: name,
            desk,
            worker,
        };
        self.members().insert(id, Arc::new(member));
    }

    /// Lets a worker finish what it has; it is gone from here once it stopped. One that stopped already is told as it
    /// was left.
    pub(crate) async fn drain(&self, id: &str, deadline: Duration) -> Result<Registered, Error> {
        let Ok(member) = self.member(id) else {
            return self.stopped(id).await;
        };
        member.worker.drain(deadline);
        let (crew, id) = (self.clone(), id.to_owned());
        let leaving = member.clone();
        tokio::spawn(async move {
            leaving.worker.stopped().await;
            crew.members().remove(&id);
        });
        Ok(member.registered())
    }

    /// Stops a worker, and waits until it has, or for as long as a call may take.
    pub(crate) async fn stop(&self, id: &str) -> Result<Registered, Error> {
        let Ok(member) = self.member(id) else {
            return self.stopped(id).await;
        };
        self.drain(id, Duration::ZERO).await?;
        let _ = timeout(STOP_WITHIN, member.worker.stopped()).await;
        Ok(member.registered())
    }

    async fn stopped(&self, id: &str) -> Result<Registered, Error> {
        let worker = self.store.registry.get(id).await?;
        worker
            .filter(|worker| worker.state() == WorkerState::Stopped)
            .ok_or_else(|| Error::WorkerNotFound(id.to_owned()))
    }

    /// How the workers here are; one of them, or all.
    pub(crate) fn reports(&self, id: Option<&str>) -> Result<Vec<WorkerReport>, Error> {
        if let Some(id) = id {
            return Ok(vec![self.member(id)?.report()]);
        }
        let members: Vec<_> = self.members().values().cloned().collect();
        Ok(members.iter().map(|member| member.report()).collect())
    }

    /// Drains all, and waits until they stopped.
    pub(crate) async fn finish(&self) {
        *self.closing.lock().await = true;
        let members: Vec<_> = self.members().values().cloned().collect();
        for member in &members {
            member.worker.drain(self.config.drain);
        }
        for member in members {
            member.worker.stopped().await;
        }
    }

    fn member(&self, id: &str) -> Result<Arc<Member>, Error> {
        let member = self.members().get(id).cloned();
        member.ok_or_else(|| Error::WorkerNotFound(id.to_owned()))
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn registered(&self) -> Registered {
        let vitals = self.worker.report().vitals;
        Registered {
            state: vitals.state.into(),
            health: vitals.health.into(),
            running: vitals.running,
            detail: vitals.detail,
            ..self.desk.registered()
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
fn identity(executor: &ExecutorConfig, start: &Start) -> Registered {
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
