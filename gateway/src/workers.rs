//! The sessions of this process that registered as workers, each kept alive by a heartbeat in the background.
//!
//! A worker has the id of its session. So messages to the worker, to its capabilities and to the session come into one
//! inbox, and a session that is restored in another process goes on as the same worker in a new epoch. A worker whose
//! session is held elsewhere is left to that process; a worker that the registry forgot is registered again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{
    DeregisterWorkerRequest, HeartbeatRequest, RegisterWorkerRequest, RegisterWorkerResponse,
    Worker, WorkerHealth,
};
use shim_proto::reasons::{STALE_WORKER, WORKER_NOT_FOUND};
use shim_runtime::background::BackgroundTasks;
use shim_runtime::service_error::decode;
use tokio::sync::{Notify, watch};
use tonic::Status;

use crate::claims::Claims;
use crate::render::phrases;
use crate::services::{Services, request_id};
use crate::sessions::Sessions;

/// If the registry names no interval, or one that would flood or starve it.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(1_500);
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);

/// The workers of this process.
pub(crate) struct Workers {
    services: Arc<Services>,
    sessions: Arc<Sessions>,
    claims: Arc<Claims>,
    records: Mutex<HashMap<String, Arc<RegisteredWorker>>>,
    tasks: BackgroundTasks,
    /// The reason to leave, once there is one.
    shutdown_reason: watch::Sender<Option<String>>,
}

/// One worker of this process.
#[derive(Default)]
struct RegisteredWorker {
    /// Held by the task that registers, sends a heartbeat or deregisters, so that none works with an epoch that just
    /// ended.
    turn: tokio::sync::Mutex<()>,
    /// Never locked over an RPC.
    registration: Mutex<Option<Registration>>,
    /// The next heartbeat is to be sent at once.
    wake: Notify,
}

impl RegisteredWorker {
    fn registration(&self) -> MutexGuard<'_, Option<Registration>> {
        self.registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker as it was registered last.
#[derive(Clone)]
struct Registration {
    request: RegisterWorkerRequest,
    epoch: u64,
    interval: Duration,
}

impl Registration {
    fn new(
        request: RegisterWorkerRequest,
        answer: RegisterWorkerResponse,
    ) -> Result<(Self, Worker), Status> {
        let worker = answer
            .worker
            .ok_or_else(|| Status::internal("the service registered no worker"))?;
        let interval = answer
            .heartbeat_interval
            .and_then(|interval| Duration::try_from(interval).ok())
            .filter(|interval| INTERVALS.contains(interval));
        let registration = Self {
            request,
            epoch: worker.epoch,
            interval: interval.unwrap_or(DEFAULT_INTERVAL),
        };
        Ok((registration, worker))
    }
}

impl Workers {
    pub(crate) fn new(
        services: Arc<Services>,
        sessions: Arc<Sessions>,
        claims: Arc<Claims>,
        tasks: BackgroundTasks,
    ) -> Self {
        Self {
            services,
            sessions,
            claims,
            records: Mutex::default(),
            tasks,
            shutdown_reason: watch::Sender::new(None),
        }
    }

    /// Registers the worker of a session this process holds, perhaps again, and keeps it alive from now on.
    pub(crate) async fn register(
        self: &Arc<Self>,
        request: RegisterWorkerRequest,
    ) -> Result<Worker, Status> {
        let record = self
            .records()
            .entry(request.worker_id.clone())
            .or_default()
            .clone();
        let _turn = record.turn.lock().await;
        let answer = self.services.register_worker(request.clone()).await?;
        let (registered, worker) = Registration::new(request, answer)?;
        if record.registration().replace(registered).is_none() {
            let (workers, worker_id) = (self.clone(), worker.worker_id.clone());
            let record = record.clone();
            self.tasks.spawn_restarting("worker_heartbeat", move || {
                let workers = workers.clone();
                workers.run_heartbeat(worker_id.clone(), record.clone())
            });
        }
        Ok(worker)
    }

    /// Sends heartbeats until the session is held elsewhere or the gateway leaves.
    async fn run_heartbeat(self: Arc<Self>, session_id: String, record: Arc<RegisteredWorker>) {
        let mut shutdown_reason = self.shutdown_reason.subscribe();
        loop {
            let interval = record.registration().as_ref().map(|known| known.interval);
            let reason = tokio::select! {
                () = tokio::time::sleep(interval.unwrap_or(DEFAULT_INTERVAL)) => None,
                () = record.wake.notified() => None,
                _ = shutdown_reason.wait_for(Option::is_some) => self.shutdown_reason.borrow().clone(),
            };
            let reason = reason.or_else(|| {
                let owned = self.sessions.owns(&session_id);
                (!owned).then(|| "the session is not held by this gateway any more".to_owned())
            });
            let turn = record.turn.lock().await;
            let Some(known) = record.registration().clone() else {
                return;
            };
            if let Some(reason) = reason {
                self.deregister(&known, reason).await;
                *record.registration() = None;
                self.claims.forget(&session_id);
                return;
            }
            if let Some(renewed) = self.send_heartbeat(&known).await {
                *record.registration() = Some(renewed);
            }
            drop(turn);
            self.report_checkpoint(&session_id).await;
        }
    }

    /// The worker took a task or ended one: its next heartbeat, which says so, is sent now.
    pub(crate) fn notify_load_changed(&self, session_id: &str) {
        if let Some(record) = self.records().get(session_id) {
            record.wake.notify_one();
        }
    }

    /// Reports a checkpoint to the session's task that could not be reported before.
    async fn report_checkpoint(&self, session_id: &str) {
        let Some(current) = self.claims.current_task(session_id) else {
            return;
        };
        if let Err(status) = self.claims.report_checkpoint(session_id).await {
            let text = phrases::task_lost(&current.task_id, &status);
            self.sessions.notify(session_id, "task_lost", text);
        }
    }

    /// The worker of a session as it was registered last: its epoch and capabilities.
    pub(crate) fn registration_of(&self, session_id: &str) -> Option<(u64, Vec<String>)> {
        let record = self.records().get(session_id)?.clone();
        let registration = record.registration();
        let known = registration.as_ref()?;
        Some((known.epoch, known.request.capabilities.clone()))
    }

    /// Sends one heartbeat. Returns the new registration if the registry had forgotten the worker.
    async fn send_heartbeat(&self, known: &Registration) -> Option<Registration> {
        let request = HeartbeatRequest {
            worker_id: known.request.worker_id.clone(),
            epoch: known.epoch,
            running: self.claims.count(&known.request.worker_id),
            health: WorkerHealth::Healthy.into(),
            ..HeartbeatRequest::default()
        };
        let status = self.services.heartbeat(request).await.err()?;
        let renewed = match decode(&status).reason.as_str() {
            STALE_WORKER | WORKER_NOT_FOUND => self.register_again(known).await,
            _ => Err(status),
        };
        // The next heartbeat tries again, whatever failed.
        renewed
            .inspect_err(|status| {
                tracing::debug!(code = ?status.code(), "a heartbeat failed: {}", status.message());
            })
            .ok()
    }

    async fn register_again(&self, known: &Registration) -> Result<Registration, Status> {
        let request = RegisterWorkerRequest {
            request_id: request_id(),
            ..known.request.clone()
        };
        let answer = self.services.try_register_worker(request.clone()).await?;
        let (renewed, _) = Registration::new(request, answer)?;
        Ok(renewed)
    }

    async fn deregister(&self, known: &Registration, reason: String) {
        let request = DeregisterWorkerRequest {
            request_id: request_id(),
            worker_id: known.request.worker_id.clone(),
            epoch: known.epoch,
            reason,
        };
        if let Err(status) = self.services.deregister_worker(request).await {
            tracing::debug!(code = ?status.code(), "a worker left unheard: {}", status.message());
        }
    }

    /// Asks every heartbeat task to deregister its worker.
    pub(crate) fn request_deregister(&self, reason: &str) {
        self.shutdown_reason.send_replace(Some(reason.to_owned()));
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Arc<RegisteredWorker>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
