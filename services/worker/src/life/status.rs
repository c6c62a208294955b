//! How a worker is, for those who ask: its state, its health, its tasks and its counters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{WorkerHealth, WorkerState};
use shim_proto::worker::v1::RunningTask;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Terms;
use super::desk::Held;
use crate::executor::{Pulse, first_line};

/// As much as a heartbeat may tell of trouble.
const MAX_DETAIL_BYTES: usize = 500;

/// What a heartbeat tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// Where it is in its life.
    pub state: WorkerState,
    /// How well it is.
    pub health: WorkerHealth,
    /// How many tasks it has.
    pub running: u32,
    /// What troubles it, in a few words.
    pub detail: String,
}

/// All there is to know about a worker.
#[derive(Debug, Clone)]
pub struct Report {
    /// What its heartbeats tell.
    pub vitals: Vitals,
    /// What it does now.
    pub tasks: Vec<RunningTask>,
    /// Tasks completed since it started.
    pub completed: u64,
    /// Attempts failed since it started.
    pub failed: u64,
    /// How often its executor was started again after a crash.
    pub restarts: u64,
}

/// Shared by a worker, its attempts and those who ask.
#[derive(Debug)]
pub(super) struct Status {
    capacity: usize,
    stuck_after: Duration,
    inner: Mutex<Inner>,
    vitals: watch::Sender<Vitals>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    health: WorkerHealth,
    detail: String,
    /// By lease, which no two claims share.
    running: BTreeMap<u64, Running>,
    completed: u64,
    failed: u64,
    restarts: u64,
}

/// Where a worker is in its life, apart from how much it has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Working,
    Draining,
    Stopped,
}

#[derive(Debug)]
struct Running {
    task_id: String,
    since: Instant,
    pulse: Arc<Pulse>,
}

impl Status {
    pub(super) fn new(terms: &Terms) -> Self {
        let inner = Inner {
            phase: Phase::Starting,
            health: WorkerHealth::Healthy,
            detail: String::new(),
            running: BTreeMap::new(),
            completed: 0,
            failed: 0,
            restarts: 0,
        };
        let capacity = terms.capacity as usize;
        Self {
            capacity,
            stuck_after: terms.stuck_after,
            vitals: watch::Sender::new(inner.vitals(capacity)),
            inner: Mutex::new(inner),
        }
    }

    /// Follows the vitals.
    pub(super) fn follow(&self) -> watch::Receiver<Vitals> {
        self.vitals.subscribe()
    }

    pub(super) async fn reached(&self, state: WorkerState) {
        // The sender lives as long as this does, so waiting cannot fail.
        let _ = self
            .vitals
            .subscribe()
            .wait_for(|now| now.state == state)
            .await;
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.change(|inner| inner.phase = phase);
    }

    /// The worker has stopped when the guard is dropped.
    pub(super) fn stops_with_this(self: &Arc<Self>) -> Stops {
        Stops(Arc::clone(self))
    }

    pub(super) fn is(&self, health: WorkerHealth, detail: &str) {
        let detail = first_line(detail, MAX_DETAIL_BYTES);
        self.change(|inner| (inner.health, inner.detail) = (health, detail));
    }

    /// Shows a task for as long as the guard lives.
    pub(super) fn show(self: &Arc<Self>, held: &Held, pulse: Arc<Pulse>) -> Shown {
        let running = Running {
            task_id: held.task_id.clone(),
            since: Instant::now(),
            pulse,
        };
        self.change(|inner| inner.running.insert(held.lease, running));
        Shown {
            status: Arc::clone(self),
            lease: held.lease,
        }
    }

    pub(super) fn completed(&self) {
        self.inner().completed += 1;
    }

    pub(super) fn failed(&self) {
        self.inner().failed += 1;
    }

    pub(super) fn restarted(&self) {
        self.inner().restarts += 1;
    }

    pub(super) fn report(&self) -> Report {
        let inner = self.inner();
        let tasks = inner.running.values();
        Report {
            vitals: inner.vitals(self.capacity),
            tasks: tasks.map(|task| task.report(self.stuck_after)).collect(),
            completed: inner.completed,
            failed: inner.failed,
            restarts: inner.restarts,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) {
        let mut inner = self.inner();
        change(&mut inner);
        let now = inner.vitals(self.capacity);
        self.vitals.send_if_modified(|told| {
            let is_new = *told != now;
            *told = now;
            is_new
        });
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that the status shows.
pub(super) struct Shown {
    status: Arc<Status>,
    lease: u64,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.status
            .change(|inner| inner.running.remove(&self.lease));
    }
}

/// The end of a worker.
pub(super) struct Stops(Arc<Status>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.enter(Phase::Stopped);
    }
}

impl Inner {
    fn vitals(&self, capacity: usize) -> Vitals {
        let state = match self.phase {
            Phase::Starting => WorkerState::Starting,
            Phase::Working if self.running.len() >= capacity => WorkerState::Busy,
            Phase::Working => WorkerState::Idle,
            Phase::Draining => WorkerState::Draining,
            Phase::Stopped => WorkerState::Stopped,
        };
        Vitals {
            state,
            health: self.health,
            running: u32::try_from(self.running.len()).unwrap_or(u32::MAX),
            detail: self.detail.clone(),
        }
    }
}

impl Running {
    fn report(&self, stuck_after: Duration) -> RunningTask {
        let silent = self.pulse.silent();
        RunningTask {
            task_id: self.task_id.clone(),
            running: prost_types::Duration::try_from(self.since.elapsed()).ok(),
            silent: prost_types::Duration::try_from(silent).ok(),
            progress: self.pulse.progress(),
            pid: self.pulse.pid().unwrap_or_default(),
            stuck: silent >= stuck_after,
        }
    }
}
