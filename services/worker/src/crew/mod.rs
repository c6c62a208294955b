//! The workers of this process: each a program from the configuration, registered, fed by the distributor and drained.

mod store_desk;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{Worker as Registered, WorkerKind};
use shim_proto::worker::v1::WorkerReport;
use shim_runtime::process;
use shim_store::{Error, Once, Store};
use uuid::Uuid;

use crate::config::{Config, ExecutorConfig, ExecutorKind};
use crate::distributor::Distributor;
use crate::executor::Workshop;
use crate::life::{Terms, Worker};
use crate::memory::Memory;
use store_desk::StoreDesk;

/// How long a worker waits for a task before it asks again.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
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
        if self.members().len() >= MOST {
            return Err(Error::Overloaded);
        }
        let beats = self.store.beats();
        let registered = self
            .store
            .registry
            .register(once, identity(executor, &start), beats.dead_after)
            .await?;
        let id = registered.worker_id.clone();
        if self.members().contains_key(&id) {
            return Ok(registered);
        }
        let desk = Arc::new(StoreDesk::new(
            self.store.clone(),
            self.distributor.clone(),
            self.memory.clone(),
            registered.clone(),
        ));
        let terms = Terms {
            capacity: registered.capacity,
            stuck_after: self.config.stuck_after,
            beat_every: beats.heartbeat,
            claim_wait: CLAIM_WAIT,
        };
        let worker = Worker::start(desk.clone(), self.workshop.executor(executor), terms);
        tracing::info!(worker = id, executor = start.executor, "a worker started");
        let member = Member {
            executor: start.executor,
            desk,
            worker,
        };
        self.members().insert(id, Arc::new(member));
        Ok(registered)
    }

    /// Lets a worker finish what it has; it is gone from here once it stopped.
    pub(crate) fn drain(&self, id: &str, deadline: Duration) -> Result<Registered, Error> {
        let member = self.member(id)?;
        member.worker.drain(deadline);
        let (crew, id) = (self.clone(), id.to_owned());
        let leaving = member.clone();
        tokio::spawn(async move {
            leaving.worker.stopped().await;
            crew.members().remove(&id);
        });
        Ok(member.registered())
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
