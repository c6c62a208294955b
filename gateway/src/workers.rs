//! The workers this process stands for: sessions that registered, each kept alive by a heartbeat in the background.
//!
//! A worker has the id of its session. So messages to the worker, to its capabilities and to the session come into one
//! inbox, and a session that is restored in another process goes on as the same worker in a new epoch. A worker whose
//! session is held elsewhere is left to that process; one that the registry forgot registers itself again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{
    DeregisterWorkerRequest, HeartbeatRequest, RegisterWorkerRequest, RegisterWorkerResponse,
    Worker, WorkerHealth,
};
use shim_runtime::service_error::decode;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tonic::Status;

use crate::claims::Claims;
use crate::render::phrases;
use crate::services::{Services, request_id};
use crate::sessions::Sessions;

/// If the registry names no interval, or one that would flood or starve it.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(1_500);
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);
/// All farewells together; clients kill a server that lingers.
const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(1);

/// The workers of this process.
pub(crate) struct Workers {
    services: Arc<Services>,
    sessions: Arc<Sessions>,
    claims: Arc<Claims>,
    records: Mutex<HashMap<String, Arc<RegisteredWorker>>>,
    heartbeats: Mutex<JoinSet<()>>,
    /// The reason to leave, once there is one.
    shutdown_reason: watch::Sender<Option<String>>,
}

/// One worker's place.
#[derive(Default)]
struct RegisteredWorker {
    /// Whoever registers, beats or leaves holds it, so none works with an epoch that just ended.
    registration: tokio::sync::Mutex<Option<Registration>>,
    /// The next beat is to come at once.
    wake: Notify,
}

/// A worker as it was registered last.
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
    ) -> Self {
        Self {
            services,
            sessions,
            claims,
            records: Mutex::default(),
            heartbeats: Mutex::default(),
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
        let mut registration = record.registration.lock().await;
        let answer = self.services.register_worker(request.clone()).await?;
        let (registered, worker) = Registration::new(request, answer)?;
        if registration.replace(registered).is_none() {
            let heartbeat = self
                .clone()
                .run_heartbeat(worker.worker_id.clone(), record.clone());
            let mut heartbeats = self.heartbeats();
            while heartbeats.try_join_next().is_some() {}
            heartbeats.spawn(heartbeat);
        }
        Ok(worker)
    }

    /// Beats until the session is held elsewhere or the gateway leaves.
    async fn run_heartbeat(self: Arc<Self>, session_id: String, record: Arc<RegisteredWorker>) {
        let mut shutdown_reason = self.shutdown_reason.subscribe();
        loop {
            let interval = record
                .registration
                .lock()
                .await
                .as_ref()
                .map(|known| known.interval);
            let reason = tokio::select! {
                () = tokio::time::sleep(interval.unwrap_or(DEFAULT_INTERVAL)) => None,
                () = record.wake.notified() => None,
                _ = shutdown_reason.wait_for(Option::is_some) => self.shutdown_reason.borrow().clone(),
            };
            let reason = reason.or_else(|| {
                let owned = self.sessions.owns(&session_id);
                (!owned).then(|| "the session is not held by this gateway any more".to_owned())
            });
            let mut registration = record.registration.lock().await;
            match (reason, registration.as_mut()) {
                (None, Some(known)) => self.send_heartbeat(known).await,
                (Some(reason), Some(known)) => {
                    self.deregister(known, reason).await;
                    *registration = None;
                    self.claims.forget(&session_id);
                    return;
                }
                (_, None) => return,
            }
            drop(registration);
            self.report_checkpoint(&session_id).await;
        }
    }

    /// The worker took a task or ended one: the registry is to hear of it now.
    pub(crate) fn notify_load_changed(&self, session_id: &str) {
        if let Some(record) = self.records().get(session_id) {
            record.wake.notify_one();
        }
    }

    /// Tells the session's task of a checkpoint that could not be told before.
    async fn report_checkpoint(&self, session_id: &str) {
        let Some(current) = self.claims.current_task(session_id) else {
            return;
        };
        if let Err(status) = self.claims.report_checkpoint(session_id).await {
            let text = phrases::task_lost(&current.task_id, &status);
            self.sessions.notify(session_id, "task_lost", text);
        }
    }

    /// The worker of a session as it is registered now: its epoch and capabilities.
    pub(crate) async fn registration_of(&self, session_id: &str) -> Option<(u64, Vec<String>)> {
        let record = self.records().get(session_id)?.clone();
        let registration = record.registration.lock().await;
        let known = registration.as_ref()?;
        Some((known.epoch, known.request.capabilities.clone()))
    }

    async fn send_heartbeat(&self, known: &mut Registration) {
        let request = HeartbeatRequest {
            worker_id: known.request.worker_id.clone(),
            epoch: known.epoch,
            running: self.claims.count(&known.request.worker_id),
            health: WorkerHealth::Healthy.into(),
            ..HeartbeatRequest::default()
        };
        let Err(status) = self.services.heartbeat(request).await else {
            return;
        };
        let outcome = match decode(&status).reason.as_str() {
            "STALE_WORKER" | "WORKER_NOT_FOUND" => self.register_again(known).await,
            _ => Err(status),
        };
        if let Err(status) = outcome {
            // The next beat tries again, whatever it was.
            tracing::debug!(code = ?status.code(), "a heartbeat failed: {}", status.message());
        }
    }

    async fn register_again(&self, known: &mut Registration) -> Result<(), Status> {
        let request = RegisterWorkerRequest {
            request_id: request_id(),
            ..known.request.clone()
        };
        let answer = self.services.try_register_worker(request.clone()).await?;
        (*known, _) = Registration::new(request, answer)?;
        Ok(())
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

    /// Deregisters every worker, within a second.
    pub(crate) async fn deregister_all(&self, reason: &str) {
        self.shutdown_reason.send_replace(Some(reason.to_owned()));
        let mut heartbeats = std::mem::take(&mut *self.heartbeats());
        let all = async { while heartbeats.join_next().await.is_some() {} };
        if tokio::time::timeout(DEREGISTER_TIMEOUT, all).await.is_err() {
            tracing::warn!("some workers could not be deregistered in time");
        }
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Arc<RegisteredWorker>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heartbeats(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.heartbeats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
