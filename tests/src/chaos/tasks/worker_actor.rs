//! One working process: a worker outside the services, as others would write it against the contract.
//!
//! It never gives a call up, and never believes that its claim is lost before it is told so by whom it concerns: a hand
//! that was frozen goes on where it was, touches the resource and reports.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use shim_proto::coordination::v1::{
    HeartbeatRequest, RegisterWorkerRequest, Task, TaskError, TaskResult, WorkerKind,
};
use shim_proto::worker::v1::{
    ClaimTaskRequest, CompleteTaskRequest, FailTaskRequest, ReleaseTaskRequest,
    ReportProgressRequest,
};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tonic::Status;

use super::failover_client::{FailoverClient, TIMEOUT};
use super::graphs::{DOOMED, FAILS_ONCE, HELD};
use super::resource::{ResourceClient, ResourceReply};
use super::worker_reports::{ClaimRecord, Report, ReregisterReason};
use crate::calls::request_id;
use crate::chaos::actor::report;
use crate::coordination::{proto_duration, reason};
use crate::rng::SeededRng;

const WAIT: Duration = Duration::from_secs(1);
const WORK_MICROS: std::ops::Range<u64> = 5_000..200_000;
/// One task in so many takes longer.
const LONG_WORK_ODDS: u64 = 20;
const LONG_WORK_MICROS: std::ops::Range<u64> = 500_000..2_000_000;
/// A task that is held ends only with its worker.
const HELD_FOR: Duration = Duration::from_secs(3_600);
const PROGRESS_ODDS: u64 = 2;
const RELEASE_ODDS: u64 = 40;
/// A worker that has room for longer than this and is told that it has none has been given what it never heard of.
const MAX_NO_ROOM_ANSWERS: u32 = 30;
const NO_ROOM_BACKOFF: Duration = Duration::from_millis(100);

/// What a working process is told.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerArgs {
    /// The sockets of the worker services.
    #[arg(long = "worker", required = true)]
    pub(super) workers: Vec<PathBuf>,
    /// The sockets of the coordination services.
    #[arg(long = "coordination", required = true)]
    pub(super) coordination: Vec<PathBuf>,
    /// The socket of the resource.
    #[arg(long)]
    pub(super) resource: PathBuf,
    /// Its id in the registry.
    #[arg(long)]
    pub(super) worker_id: String,
    /// How many tasks it does at once.
    #[arg(long)]
    pub(super) slots: u32,
    /// Where all chance comes from.
    #[arg(long)]
    pub(super) seed: u64,
}

impl WorkerArgs {
    /// As an actor is told it.
    pub(super) fn to_args(&self) -> Vec<String> {
        let mut words = vec![
            format!("--resource={}", self.resource.display()),
            format!("--worker-id={}", self.worker_id),
            format!("--slots={}", self.slots),
            format!("--seed={}", self.seed),
        ];
        for (flag, sockets) in [
            ("worker", &self.workers),
            ("coordination", &self.coordination),
        ] {
            let named = sockets
                .iter()
                .map(|socket| format!("--{flag}={}", socket.display()));
            words.extend(named);
        }
        words
    }
}

/// A working process; it works until it is killed.
pub(super) async fn run_worker(args: WorkerArgs) -> Result<(), Status> {
    let mut rng = SeededRng::new(args.seed);
    let first = usize::try_from(rng.within(0..2)).unwrap_or_default();
    let registration = Registration {
        registry: FailoverClient::at(&args.coordination, first)?,
        worker_id: args.worker_id,
        capacity: args.slots,
        epoch: Arc::default(),
        busy: Arc::default(),
    };
    let heartbeat = registration.register(0).await?;
    let mut slots = JoinSet::new();
    slots.spawn(registration.clone().heartbeat(heartbeat));
    for slot in 0..args.slots {
        let slot = WorkerSlot {
            registration: registration.clone(),
            distributors: FailoverClient::at(&args.workers, first + slot as usize)?,
            resource_client: ResourceClient::connect(&args.resource).await?,
            rng: SeededRng::new(rng.next_u64()),
        };
        slots.spawn(slot.work());
    }
    while let Some(ended) = slots.join_next().await {
        ended.expect("a slot does not panic")?;
    }
    Ok(())
}

/// The identity of the process in the registry.
#[derive(Clone)]
struct Registration {
    registry: FailoverClient,
    worker_id: String,
    capacity: u32,
    epoch: Arc<Mutex<u64>>,
    busy: Arc<AtomicU32>,
}

impl Registration {
    async fn epoch(&self) -> u64 {
        *self.epoch.lock().await
    }

    /// Registers, unless another task of this process did since `stale_epoch` was the epoch; returns how often to beat.
    async fn register(&self, stale_epoch: u64) -> Result<Duration, Status> {
        let mut epoch = self.epoch.lock().await;
        if *epoch != stale_epoch {
            return Ok(WAIT);
        }
        let request = RegisterWorkerRequest {
            request_id: request_id(),
            worker_id: self.worker_id.clone(),
            name: "an external worker".into(),
            kind: WorkerKind::Agent.into(),
            capacity: self.capacity,
            ..Default::default()
        };
        let answer = self
            .registry
            .clone()
            .call(&request, |mut to, request| async move {
                to.registry.register_worker(request).await
            })
            .await?;
        *epoch = answer.worker.map_or(0, |worker| worker.epoch);
        let interval = answer
            .heartbeat_interval
            .and_then(|proto_duration| proto_duration.try_into().ok());
        Ok(interval.unwrap_or(WAIT))
    }

    async fn heartbeat(mut self, every: Duration) -> Result<(), Status> {
        loop {
            let epoch = self.epoch().await;
            let request = HeartbeatRequest {
                worker_id: self.worker_id.clone(),
                epoch,
                running: self.busy.load(Ordering::Relaxed),
                ..Default::default()
            };
            if let Err(refusal) = self
                .registry
                .call(&request, |mut to, request| async move {
                    to.registry.heartbeat(request).await
                })
                .await
            {
                self.handle_refusal(epoch, &refusal).await?;
            }
            tokio::time::sleep(every).await;
        }
    }

    /// After a refusal of the registry: the worker was declared dead, and learns it only from the refusal.
    async fn handle_refusal(&self, epoch: u64, refusal: &Status) -> Result<(), Status> {
        if !["STALE_WORKER", "WORKER_NOT_FOUND"].contains(&reason(refusal).as_str()) {
            report(&Report::Unexpected(format!("of the registry: {refusal}")));
        }
        self.register_again(epoch, ReregisterReason::TakenForDead)
            .await
    }

    async fn register_again(&self, epoch: u64, why: ReregisterReason) -> Result<(), Status> {
        if self.epoch().await == epoch {
            report(&Report::Reregistered(why));
        }
        self.register(epoch).await.map(drop)
    }
}

/// Where a process does one task after the other.
struct WorkerSlot {
    registration: Registration,
    distributors: FailoverClient,
    resource_client: ResourceClient,
    rng: SeededRng,
}

impl WorkerSlot {
    async fn work(mut self) -> Result<(), Status> {
        let mut without_room = 0;
        loop {
            let epoch = self.registration.epoch().await;
            match self.claim(epoch).await {
                Ok(Some((task, lease))) => {
                    without_room = 0;
                    self.registration.busy.fetch_add(1, Ordering::Relaxed);
                    self.run_task(&task, lease).await?;
                    self.registration.busy.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(None) => without_room = 0,
                Err(refusal) if reason(&refusal) == "NO_ROOM" => {
                    without_room += 1;
                    tokio::time::sleep(NO_ROOM_BACKOFF).await;
                    if without_room > MAX_NO_ROOM_ANSWERS {
                        self.registration
                            .register_again(epoch, ReregisterReason::NoRoom)
                            .await?;
                        without_room = 0;
                    }
                }
                Err(refusal) => self.registration.handle_refusal(epoch, &refusal).await?,
            }
        }
    }

    async fn claim(&mut self, epoch: u64) -> Result<Option<(Task, u64)>, Status> {
        let request = ClaimTaskRequest {
            request_id: request_id(),
            worker_id: self.registration.worker_id.clone(),
            epoch,
            wait: proto_duration(WAIT),
        };
        let answer = self
            .distributors
            .call_within(WAIT + TIMEOUT, &request, |mut to, request| async move {
                to.work.claim_task(request).await
            })
            .await?;
        Ok(answer.task.map(|task| (task, answer.lease)))
    }

    async fn run_task(&mut self, task: &Task, lease: u64) -> Result<(), Status> {
        let claim = ClaimRecord {
            task: task.task_id.clone(),
            lease,
            worker: self.registration.worker_id.clone(),
        };
        report(&Report::Claimed(claim.clone()));
        let before = self.resource_client.begin(&claim.task, lease).await?;
        self.simulate_work(task).await;
        if self.rng.one_in(PROGRESS_ODDS) {
            let outcome = self.report_progress(&claim).await;
            self.report_outcome(&claim, "ReportProgress", outcome);
        }
        let (what, outcome) = match task.kind.as_str() {
            DOOMED => ("FailTask", self.fail(&claim, true).await),
            FAILS_ONCE if task.attempts == 1 => ("FailTask", self.fail(&claim, false).await),
            _ if self.rng.one_in(RELEASE_ODDS) => ("ReleaseTask", self.release(&claim).await),
            _ => {
                // The worker that had the task before may have come as far as this.
                if before != ResourceReply::Applied {
                    self.resource_client.apply(&claim.task, lease).await?;
                }
                let outcome = self.complete(&claim).await;
                if outcome.is_ok() {
                    report(&Report::Committed(claim.clone()));
                }
                ("CompleteTask", outcome)
            }
        };
        self.report_outcome(&claim, what, outcome);
        Ok(())
    }

    async fn simulate_work(&mut self, task: &Task) {
        let time = match task.kind.as_str() {
            HELD if task.worker_deaths == 0 => HELD_FOR,
            HELD => Duration::ZERO,
            _ if self.rng.one_in(LONG_WORK_ODDS) => self.rng.micros(LONG_WORK_MICROS),
            _ => self.rng.micros(WORK_MICROS),
        };
        tokio::time::sleep(time).await;
    }

    fn report_outcome(&self, claim: &ClaimRecord, what: &str, answer: Result<(), Status>) {
        match answer {
            Ok(()) => {}
            Err(refusal) if reason(&refusal) == "STALE_LEASE" => {
                report(&Report::Stale(claim.clone()));
            }
            Err(refusal) => report(&Report::Unexpected(format!("{what}: {refusal}"))),
        }
    }

    async fn report_progress(&mut self, claim: &ClaimRecord) -> Result<(), Status> {
        let request = ReportProgressRequest {
            task_id: claim.task.clone(),
            lease: claim.lease,
            progress: 0.5,
            note: "half of it".into(),
            ..Default::default()
        };
        self.distributors
            .call(&request, |mut to, request| async move {
                to.work.report_progress(request).await
            })
            .await
            .map(drop)
    }

    /// The result is the token it was committed under.
    async fn complete(&mut self, claim: &ClaimRecord) -> Result<(), Status> {
        let request = CompleteTaskRequest {
            request_id: request_id(),
            task_id: claim.task.clone(),
            lease: claim.lease,
            result: Some(TaskResult {
                text: claim.lease.to_string(),
                ..Default::default()
            }),
            usage: None,
        };
        self.distributors
            .call(&request, |mut to, request| async move {
                to.work.complete_task(request).await
            })
            .await
            .map(drop)
    }

    async fn fail(&mut self, claim: &ClaimRecord, is_final: bool) -> Result<(), Status> {
        let request = FailTaskRequest {
            request_id: request_id(),
            task_id: claim.task.clone(),
            lease: claim.lease,
            error: Some(TaskError {
                reason: "OUT_OF_LUCK".into(),
                message: "as it was submitted to".into(),
            }),
            r#final: is_final,
            usage: None,
        };
        self.distributors
            .call(&request, |mut to, request| async move {
                to.work.fail_task(request).await
            })
            .await
            .map(drop)
    }

    async fn release(&mut self, claim: &ClaimRecord) -> Result<(), Status> {
        let request = ReleaseTaskRequest {
            request_id: request_id(),
            task_id: claim.task.clone(),
            lease: claim.lease,
            reason: "let others have a go".into(),
        };
        self.distributors
            .call(&request, |mut to, request| async move {
                to.work.release_task(request).await
            })
            .await
            .map(drop)
    }
}
