//! The loop of one worker from its start to its end: claims while slots are free, backs off after failures, drains.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::WorkerHealth;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::attempt::Attempt;
use crate::claim::{ClaimRef, ClaimedTask};
use crate::executor::Executor;
use crate::health::{AttemptSignal, ExecutorHealth};
use crate::options::WorkerOptions;
use crate::status::{Phase, SharedStatus};
use crate::task_backend::{BackendError, TaskBackend};

/// How long to wait before the next claim when the backend cannot be reached.
const UNAVAILABLE_BACKOFF: Duration = Duration::from_millis(500);
const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an unfit worker looks at the clock: a machine that slept does not sleep on by its own measure.
const LOOK_AT_CLOCK_EVERY: Duration = Duration::from_secs(30);

/// A running worker.
pub(crate) struct WorkerLoop<B> {
    backend: Arc<B>,
    executor: Arc<dyn Executor>,
    options: WorkerOptions,
    status: Arc<SharedStatus>,
    /// When all tasks must be over; `None` while the worker takes new ones.
    deadline: watch::Receiver<Option<Instant>>,
    executor_health: ExecutorHealth,
    /// Nothing is claimed before this.
    resume_at: Option<Instant>,
    jobs: JoinSet<JobResult>,
    /// The job that waits for a task, if one does.
    claiming: Option<Id>,
    /// Cancelled when nothing more may be claimed.
    stop_claiming: CancellationToken,
    /// Cancelled when what still runs must end.
    kill: CancellationToken,
    is_backend_unavailable: bool,
}

/// The result of one of the worker's jobs.
enum JobResult {
    Claimed(Result<Option<Box<ClaimedTask>>, BackendError>),
    Attempted(AttemptSignal),
}

impl<B: TaskBackend> WorkerLoop<B> {
    pub(crate) fn new(
        backend: Arc<B>,
        executor: Arc<dyn Executor>,
        options: WorkerOptions,
        status: Arc<SharedStatus>,
        deadline: watch::Receiver<Option<Instant>>,
    ) -> Self {
        Self {
            backend,
            executor,
            options,
            status,
            deadline,
            executor_health: ExecutorHealth::default(),
            resume_at: None,
            jobs: JoinSet::new(),
            claiming: None,
            stop_claiming: CancellationToken::new(),
            kill: CancellationToken::new(),
            is_backend_unavailable: false,
        }
    }

    /// Works until the deadline of a drain is set, drains and deregisters.
    pub(crate) async fn run(mut self) {
        let (backend, status) = (Arc::clone(&self.backend), Arc::clone(&self.status));
        // A panic counts as an end, too.
        let _stop_guard = status.stop_guard();
        let heartbeat_every = self.options.heartbeat_every;
        tokio::select! {
            () = self.work_and_drain() => {}
            () = send_heartbeats(&*backend, &status, heartbeat_every) => {}
        }
        // A backend that cannot be reached finds out by the silence.
        let _ = timeout(DEREGISTER_TIMEOUT, backend.deregister("drained")).await;
    }

    async fn work_and_drain(&mut self) {
        self.check_executor();
        while self.deadline.borrow().is_none() {
            self.claim_if_slot_free();
            let resume_at = self.resume_at;
            tokio::select! {
                Some(done) = self.jobs.join_next() => self.on_job_done(done),
                () = sleep_until_some(resume_at), if resume_at.is_some() => self.resume(),
                changed = self.deadline.changed() => if changed.is_err() { return },
            }
        }
        self.drain().await;
    }

    async fn drain(&mut self) {
        self.status.set_phase(Phase::Draining);
        self.stop_claiming.cancel();
        loop {
            let end = *self.deadline.borrow_and_update();
            tokio::select! {
                done = self.jobs.join_next() => match done {
                    Some(done) => self.on_job_done(done),
                    None => return,
                },
                () = sleep_until_some(end), if !self.kill.is_cancelled() => self.kill.cancel(),
                _ = self.deadline.changed(), if !self.kill.is_cancelled() => {}
            }
        }
    }

    fn claim_if_slot_free(&mut self) {
        let slots = match self.executor_health.is_on_trial() {
            true => 1,
            false => self.options.capacity as usize,
        };
        let is_full = self.jobs.len() >= slots;
        if self.claiming.is_some() || is_full || self.resume_at.is_some() {
            return;
        }
        let (backend, stop_claiming) = (Arc::clone(&self.backend), self.stop_claiming.clone());
        let wait = self.options.claim_wait;
        let claim = async move {
            let answer = backend.claim(wait, &stop_claiming).await;
            JobResult::Claimed(answer.map(|claim| claim.map(Box::new)))
        };
        self.claiming = Some(self.jobs.spawn(claim).id());
    }

    fn on_job_done(&mut self, done: Result<JobResult, JoinError>) {
        match done {
            Ok(JobResult::Claimed(answer)) => {
                self.claiming = None;
                self.on_claim_answer(answer);
            }
            Ok(JobResult::Attempted(signal)) => self.record(signal),
            Err(error) => {
                // A claim can be made again, and a lost attempt is found by its silence.
                tracing::error!(%error, "a job of the worker broke");
                self.claiming = self.claiming.filter(|id| *id != error.id());
                self.back_off(UNAVAILABLE_BACKOFF);
            }
        }
    }

    fn on_claim_answer(&mut self, answer: Result<Option<Box<ClaimedTask>>, BackendError>) {
        match answer {
            Ok(Some(claim)) if self.stop_claiming.is_cancelled() => {
                self.release_claim(claim.claim_ref);
            }
            Ok(Some(claim)) => self.start_attempt(*claim),
            Ok(None) => {}
            Err(why) => {
                if !self.is_backend_unavailable {
                    tracing::warn!(%why, "no task can be claimed; trying again");
                }
                self.is_backend_unavailable = true;
                return self.back_off(UNAVAILABLE_BACKOFF);
            }
        }
        self.is_backend_unavailable = false;
    }

    fn start_attempt(&mut self, claim: ClaimedTask) {
        let attempt = Attempt {
            backend: Arc::clone(&self.backend),
            executor: Arc::clone(&self.executor),
            status: Arc::clone(&self.status),
            claim,
            stuck_after: self.options.stuck_after,
            kill: self.kill.clone(),
        };
        self.jobs
            .spawn(async move { JobResult::Attempted(attempt.run().await) });
    }

    /// Gives back a task that was claimed while the drain began.
    fn release_claim(&mut self, claim_ref: ClaimRef) {
        let backend = Arc::clone(&self.backend);
        self.jobs.spawn(async move {
            if let Err(why) = backend.release(&claim_ref, "its worker drains").await {
                tracing::warn!(task = %claim_ref.task_id, %why, "a task could not be given back");
            }
            JobResult::Attempted(AttemptSignal::None)
        });
    }

    fn record(&mut self, signal: AttemptSignal) {
        let is_failure = matches!(
            signal,
            AttemptSignal::Crash(_) | AttemptSignal::NotRunnable(_)
        );
        self.executor_health.record(signal, SystemTime::now());
        self.publish_health();
        if let Some(pause) = self.unfit_for() {
            self.back_off(pause);
        }
        if is_failure && let Some(backoff) = self.executor_health.backoff() {
            self.back_off(backoff);
        }
    }

    /// How long to wait until the next look at whether an unfit executor may try again; `None` if it may.
    fn unfit_for(&self) -> Option<Duration> {
        let until = self.executor_health.unfit_until()?;
        let rest = until.duration_since(SystemTime::now()).ok()?;
        Some(rest.min(LOOK_AT_CLOCK_EVERY))
    }

    fn back_off(&mut self, backoff: Duration) {
        let end = Instant::now() + backoff;
        self.resume_at = self.resume_at.max(Some(end));
    }

    /// Ends a backoff: the executor is tried again.
    fn resume(&mut self) {
        self.resume_at = None;
        if let Some(pause) = self.unfit_for() {
            return self.back_off(pause);
        }
        if self.executor_health.backoff().is_some() {
            self.status.count_restarted();
        }
        self.check_executor();
    }

    fn check_executor(&mut self) {
        match self.executor.check_runnable() {
            Ok(()) => {
                self.executor_health.mark_present();
                self.status.set_phase(Phase::Working);
            }
            Err(why) => {
                self.executor_health.mark_missing(why);
                self.back_off(self.executor_health.backoff().unwrap_or_default());
            }
        }
        self.publish_health();
    }

    fn publish_health(&self) {
        let (health, detail) = self.executor_health.health();
        if health != WorkerHealth::Healthy {
            tracing::warn!(detail, "the executor is in trouble");
        }
        let unfit_until = self.executor_health.unfit_until();
        self.status.set_health(health, &detail, unfit_until);
    }
}

async fn sleep_until_some(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Sends heartbeats: at once, with every change, and at least this often.
async fn send_heartbeats<B: TaskBackend>(backend: &B, status: &SharedStatus, every: Duration) {
    let mut heartbeat = status.subscribe();
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            // The status outlives this loop, so the change cannot fail.
            _ = heartbeat.changed() => {}
        }
        let now = heartbeat.borrow_and_update().clone();
        backend.heartbeat(&now).await;
    }
}
