//! The work of one worker from its start to its end: claiming as there is room, pausing after trouble, draining.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::WorkerHealth;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::desk::{Desk, Held, Refusal};
use super::fitness::{Fitness, Sign};
use super::status::{Phase, Status};
use super::{Claim, Terms};
use crate::executor::Executor;

/// How long to wait when no task can be claimed because the store is away.
const AWAY_PAUSE: Duration = Duration::from_millis(500);
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// A worker at work.
pub(super) struct Shift<D> {
    desk: Arc<D>,
    executor: Arc<dyn Executor>,
    terms: Terms,
    status: Arc<Status>,
    /// When all must be over; `None` as long as nobody said so.
    until: watch::Receiver<Option<Instant>>,
    fitness: Fitness,
    /// Nothing is claimed before this.
    resume_at: Option<Instant>,
    jobs: JoinSet<Done>,
    /// The one of the jobs that waits for a task.
    claiming: Option<Id>,
    /// Raised when nothing more is to be claimed.
    hush: CancellationToken,
    /// Raised when what still runs must end.
    kill: CancellationToken,
    is_store_away: bool,
}

/// What one of the worker's jobs came to.
enum Done {
    Claimed(Result<Option<Box<Claim>>, Refusal>),
    Attempted(Sign),
}

impl<D: Desk> Shift<D> {
    pub(super) fn new(
        desk: Arc<D>,
        executor: Arc<dyn Executor>,
        terms: Terms,
        status: Arc<Status>,
        until: watch::Receiver<Option<Instant>>,
    ) -> Self {
        Self {
            desk,
            executor,
            terms,
            status,
            until,
            fitness: Fitness::default(),
            resume_at: None,
            jobs: JoinSet::new(),
            claiming: None,
            hush: CancellationToken::new(),
            kill: CancellationToken::new(),
            is_store_away: false,
        }
    }

    /// Works until told to drain, drains and leaves.
    pub(super) async fn run(mut self) {
        let (desk, status) = (Arc::clone(&self.desk), Arc::clone(&self.status));
        // Whoever waits for its end waits for that of a broken worker too.
        let _stops = status.stops_with_this();
        let beat_every = self.terms.beat_every;
        tokio::select! {
            () = self.work_and_drain() => {}
            () = beat(&*desk, &status, beat_every) => {}
        }
        // A store that is away finds out by itself.
        let _ = timeout(LEAVE_WITHIN, desk.leave("drained")).await;
    }

    async fn work_and_drain(&mut self) {
        self.check();
        while self.until.borrow().is_none() {
            self.claim_if_there_is_room();
            let pause = self.resume_at;
            tokio::select! {
                Some(done) = self.jobs.join_next() => self.note(done),
                () = until(pause), if pause.is_some() => self.resume(),
                changed = self.until.changed() => if changed.is_err() { return },
            }
        }
        self.drain().await;
    }

    async fn drain(&mut self) {
        self.status.enter(Phase::Draining);
        self.hush.cancel();
        loop {
            let end = *self.until.borrow_and_update();
            tokio::select! {
                done = self.jobs.join_next() => match done {
                    Some(done) => self.note(done),
                    None => return,
                },
                () = until(end), if !self.kill.is_cancelled() => self.kill.cancel(),
                _ = self.until.changed(), if !self.kill.is_cancelled() => {}
            }
        }
    }

    fn claim_if_there_is_room(&mut self) {
        let is_full = self.jobs.len() >= self.terms.capacity as usize;
        if self.claiming.is_some() || is_full || self.resume_at.is_some() {
            return;
        }
        let (desk, hush) = (Arc::clone(&self.desk), self.hush.clone());
        let wait = self.terms.claim_wait;
        let claim = async move {
            let answer = desk.claim(wait, &hush).await;
            Done::Claimed(answer.map(|claim| claim.map(Box::new)))
        };
        self.claiming = Some(self.jobs.spawn(claim).id());
    }

    fn note(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Claimed(answer)) => {
                self.claiming = None;
                self.note_answer(answer);
            }
            Ok(Done::Attempted(sign)) => self.learn(sign),
            Err(error) => {
                // Whatever it was, a claim can be made again, and a lost attempt is found by its silence.
                tracing::error!(%error, "a job of the worker broke");
                self.claiming = self.claiming.filter(|id| *id != error.id());
                self.pause(AWAY_PAUSE);
            }
        }
    }

    fn note_answer(&mut self, answer: Result<Option<Box<Claim>>, Refusal>) {
        match answer {
            Ok(Some(claim)) if self.hush.is_cancelled() => self.give_back(*claim),
            Ok(Some(claim)) => self.begin(*claim),
            Ok(None) => {}
            Err(why) => {
                if !self.is_store_away {
                    tracing::warn!(%why, "no task can be claimed; trying again");
                }
                self.is_store_away = true;
                return self.pause(AWAY_PAUSE);
            }
        }
        self.is_store_away = false;
    }

    fn begin(&mut self, claim: Claim) {
        let attempt = Attempt {
            desk: Arc::clone(&self.desk),
            executor: Arc::clone(&self.executor),
            status: Arc::clone(&self.status),
            claim,
            stuck_after: self.terms.stuck_after,
            kill: self.kill.clone(),
        };
        self.jobs
            .spawn(async move { Done::Attempted(attempt.run().await) });
    }

    /// A task that came while the drain began goes to another.
    fn give_back(&mut self, claim: Claim) {
        let desk = Arc::clone(&self.desk);
        self.jobs.spawn(async move {
            let held = Held {
                task_id: claim.task.task_id,
                lease: claim.lease,
            };
            if let Err(why) = desk.release(&held, "its worker drains").await {
                tracing::warn!(task = held.task_id, %why, "a task could not be given back");
            }
            Done::Attempted(Sign::None)
        });
    }

    fn learn(&mut self, sign: Sign) {
        let is_trouble = matches!(sign, Sign::Crash(_) | Sign::Unfit(_));
        self.fitness.learn(sign);
        self.tell_health();
        if is_trouble && let Some(pause) = self.fitness.pause() {
            self.pause(pause);
        }
    }

    fn pause(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        self.resume_at = self.resume_at.max(Some(end));
    }

    /// The pause is over: the executor is started again if it can be.
    fn resume(&mut self) {
        self.resume_at = None;
        if self.fitness.pause().is_some() {
            self.status.restarted();
        }
        self.check();
    }

    fn check(&mut self) {
        match self.executor.fitness() {
            Ok(()) => {
                self.fitness.is_there();
                self.status.enter(Phase::Working);
            }
            Err(why) => {
                self.fitness.is_missing(why);
                self.pause(self.fitness.pause().unwrap_or_default());
            }
        }
        self.tell_health();
    }

    fn tell_health(&self) {
        let (health, detail) = self.fitness.health();
        if health != WorkerHealth::Healthy {
            tracing::warn!(detail, "the executor is in trouble");
        }
        self.status.is(health, &detail);
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Says that the worker lives: at once, with every change, and at least this often.
async fn beat<D: Desk>(desk: &D, status: &Status, every: Duration) {
    let mut vitals = status.follow();
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            // The status outlives this.
            _ = vitals.changed() => {}
        }
        let now = vitals.borrow_and_update().clone();
        desk.beat(&now).await;
    }
}
