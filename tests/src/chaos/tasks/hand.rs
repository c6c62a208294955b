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

use super::anyone::{Anyone, PATIENCE};
use super::graphs::{DOOMED, FAILS_ONCE, HELD};
use super::resource::{Answer, Reach};
use super::told::{Claim, Renewal, Report};
use crate::calls::request_id;
use crate::chaos::actor::report;
use crate::coordination::{reason, span};
use crate::dice::Dice;

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
const NO_ROOM_PATIENCE: u32 = 30;
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// What a working process is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Working {
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
    pub(super) lanes: u32,
    /// Where all chance comes from.
    #[arg(long)]
    pub(super) seed: u64,
}

impl Working {
    /// As an actor is told it.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--resource={}", self.resource.display()),
            format!("--worker-id={}", self.worker_id),
            format!("--lanes={}", self.lanes),
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
pub(super) async fn work(working: Working) -> Result<(), Status> {
    let mut dice = Dice::new(working.seed);
    let first = usize::try_from(dice.within(0..2)).unwrap_or_default();
    let badge = Badge {
        registry: Anyone::at(&working.coordination, first)?,
        worker_id: working.worker_id,
        capacity: working.lanes,
        epoch: Arc::default(),
        busy: Arc::default(),
    };
    let heartbeat = badge.register(0).await?;
    let mut lanes = JoinSet::new();
    lanes.spawn(badge.clone().beat(heartbeat));
    for lane in 0..working.lanes {
        let lane = Lane {
            badge: badge.clone(),
            distributors: Anyone::at(&working.workers, first + lane as usize)?,
            reach: Reach::out(&working.resource).await?,
            dice: Dice::new(dice.roll()),
        };
        lanes.spawn(lane.work());
    }
    while let Some(ended) = lanes.join_next().await {
        ended.expect("a lane does not panic")?;
    }
    Ok(())
}

/// Who the process is to the registry.
#[derive(Clone)]
struct Badge {
    registry: Anyone,
    worker_id: String,
    capacity: u32,
    epoch: Arc<Mutex<u64>>,
    busy: Arc<AtomicU32>,
}

impl Badge {
    async fn epoch(&self) -> u64 {
        *self.epoch.lock().await
    }

    /// Registers, unless somebody did since `outlived` was the epoch; returns how often to beat.
    async fn register(&self, outlived: u64) -> Result<Duration, Status> {
        let mut epoch = self.epoch.lock().await;
        if *epoch != outlived {
            return Ok(WAIT);
        }
        let request = RegisterWorkerRequest {
            request_id: request_id(),
            worker_id: self.worker_id.clone(),
            name: "a hand".into(),
            kind: WorkerKind::Agent.into(),
            capacity: self.capacity,
            ..Default::default()
        };
        let answer = self
            .registry
            .clone()
            .ask(&request, |mut to, request| async move {
                to.registry.register_worker(request).await
            })
            .await?;
        *epoch = answer.worker.map_or(0, |worker| worker.epoch);
        let interval = answer
            .heartbeat_interval
            .and_then(|span| span.try_into().ok());
        Ok(interval.unwrap_or(WAIT))
    }

    async fn beat(mut self, every: Duration) -> Result<(), Status> {
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
                .ask(&request, |mut to, request| async move {
                    to.registry.heartbeat(request).await
                })
                .await
            {
                self.outlived(epoch, &refusal).await?;
            }
            tokio::time::sleep(every).await;
        }
    }

    /// After a refusal of the registry: it was taken for dead, which nobody tells the dead.
    async fn outlived(&self, epoch: u64, refusal: &Status) -> Result<(), Status> {
        if !["STALE_WORKER", "WORKER_NOT_FOUND"].contains(&reason(refusal).as_str()) {
            report(&Report::Unexpected(format!("of the registry: {refusal}")));
        }
        self.renew(epoch, Renewal::TakenForDead).await
    }

    async fn renew(&self, epoch: u64, why: Renewal) -> Result<(), Status> {
        if self.epoch().await == epoch {
            report(&Report::Renewed(why));
        }
        self.register(epoch).await.map(drop)
    }
}

/// Where a process does one task after the other.
struct Lane {
    badge: Badge,
    distributors: Anyone,
    reach: Reach,
    dice: Dice,
}

impl Lane {
    async fn work(mut self) -> Result<(), Status> {
        let mut without_room = 0;
        loop {
            let epoch = self.badge.epoch().await;
            match self.claim(epoch).await {
                Ok(Some((task, lease))) => {
                    without_room = 0;
                    self.badge.busy.fetch_add(1, Ordering::Relaxed);
                    self.do_one(&task, lease).await?;
                    self.badge.busy.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(None) => without_room = 0,
                Err(refusal) if reason(&refusal) == "NO_ROOM" => {
                    without_room += 1;
                    tokio::time::sleep(NO_ROOM_PAUSE).await;
                    if without_room > NO_ROOM_PATIENCE {
                        self.badge.renew(epoch, Renewal::NoRoom).await?;
                        without_room = 0;
                    }
                }
                Err(refusal) => self.badge.outlived(epoch, &refusal).await?,
            }
        }
    }

    async fn claim(&mut self, epoch: u64) -> Result<Option<(Task, u64)>, Status> {
        let request = ClaimTaskRequest {
            request_id: request_id(),
            worker_id: self.badge.worker_id.clone(),
            epoch,
            wait: span(WAIT),
        };
        let answer = self
            .distributors
            .ask_for(WAIT + PATIENCE, &request, |mut to, request| async move {
                to.work.claim_task(request).await
            })
            .await?;
        Ok(answer.task.map(|task| (task, answer.lease)))
    }

    async fn do_one(&mut self, task: &Task, lease: u64) -> Result<(), Status> {
        let claim = Claim {
            task: task.task_id.clone(),
            lease,
            worker: self.badge.worker_id.clone(),
        };
        report(&Report::Claimed(claim.clone()));
        let before = self.reach.begin(&claim.task, lease).await?;
        self.take_time(task).await;
        if self.dice.one_in(PROGRESS_ODDS) {
            let told = self.tell_progress(&claim).await;
            self.told(&claim, "ReportProgress", told);
        }
        let (what, told) = match task.kind.as_str() {
            DOOMED => ("FailTask", self.fail(&claim, true).await),
            FAILS_ONCE if task.attempts == 1 => ("FailTask", self.fail(&claim, false).await),
            _ if self.dice.one_in(RELEASE_ODDS) => ("ReleaseTask", self.release(&claim).await),
            _ => {
                // Whoever had the task before may have come as far as this.
                if before != Answer::Applied {
                    self.reach.apply(&claim.task, lease).await?;
                }
                let told = self.complete(&claim).await;
                if told.is_ok() {
                    report(&Report::Committed(claim.clone()));
                }
                ("CompleteTask", told)
            }
        };
        self.told(&claim, what, told);
        Ok(())
    }

    async fn take_time(&mut self, task: &Task) {
        let time = match task.kind.as_str() {
            HELD if task.worker_deaths == 0 => HELD_FOR,
            HELD => Duration::ZERO,
            _ if self.dice.one_in(LONG_WORK_ODDS) => self.dice.micros(LONG_WORK_MICROS),
            _ => self.dice.micros(WORK_MICROS),
        };
        tokio::time::sleep(time).await;
    }

    fn told(&self, claim: &Claim, what: &str, answer: Result<(), Status>) {
        match answer {
            Ok(()) => {}
            Err(refusal) if reason(&refusal) == "STALE_LEASE" => {
                report(&Report::Stale(claim.clone()));
            }
            Err(refusal) => report(&Report::Unexpected(format!("{what}: {refusal}"))),
        }
    }

    async fn tell_progress(&mut self, claim: &Claim) -> Result<(), Status> {
        let request = ReportProgressRequest {
            task_id: claim.task.clone(),
            lease: claim.lease,
            progress: 0.5,
            note: "half of it".into(),
            ..Default::default()
        };
        self.distributors
            .ask(&request, |mut to, request| async move {
                to.work.report_progress(request).await
            })
            .await
            .map(drop)
    }

    /// The result is the token it was committed under.
    async fn complete(&mut self, claim: &Claim) -> Result<(), Status> {
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
            .ask(&request, |mut to, request| async move {
                to.work.complete_task(request).await
            })
            .await
            .map(drop)
    }

    async fn fail(&mut self, claim: &Claim, is_final: bool) -> Result<(), Status> {
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
            .ask(&request, |mut to, request| async move {
                to.work.fail_task(request).await
            })
            .await
            .map(drop)
    }

    async fn release(&mut self, claim: &Claim) -> Result<(), Status> {
        let request = ReleaseTaskRequest {
            request_id: request_id(),
            task_id: claim.task.clone(),
            lease: claim.lease,
            reason: "let others have a go".into(),
        };
        self.distributors
            .ask(&request, |mut to, request| async move {
                to.work.release_task(request).await
            })
            .await
            .map(drop)
    }
}
