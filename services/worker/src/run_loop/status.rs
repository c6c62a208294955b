//! How a worker is, for those who ask: its state, its health, its tasks and its counters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{WorkerHealth, WorkerState};
use shim_proto::worker::v1::RunningTask;
use tokio::sync::watch;
use tokio::time::Instant;

use super::WorkerOptions;
use super::task_backend::ClaimRef;
use crate::executor::{ProgressHandle, first_line};

/// As much as a heartbeat may tell of trouble.
const MAX_DETAIL_BYTES: usize = 500;

/// What a heartbeat tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatStatus {
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
pub struct WorkerStatus {
    /// What its heartbeats tell.
    pub heartbeat: HeartbeatStatus,
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
pub(super) struct SharedStatus {
    capacity: usize,
    stuck_after: Duration,
    inner: Mutex<Inner>,
    heartbeat: watch::Sender<HeartbeatStatus>,
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
    progress: Arc<ProgressHandle>,
}

impl SharedStatus {
    pub(super) fn new(options: &WorkerOptions) -> Self {
        let inner = Inner {
            phase: Phase::Starting,
            health: WorkerHealth::Healthy,
            detail: String::new(),
            running: BTreeMap::new(),
            completed: 0,
            failed: 0,
            restarts: 0,
        };
        let capacity = options.capacity as usize;
        Self {
            capacity,
            stuck_after: options.stuck_after,
            heartbeat: watch::Sender::new(inner.heartbeat(capacity)),
            inner: Mutex::new(inner),
        }
    }

    /// Follows the vitals.
    pub(super) fn subscribe(&self) -> watch::Receiver<HeartbeatStatus> {
        self.heartbeat.subscribe()
    }

    pub(super) async fn reached(&self, state: WorkerState) {
        // The sender lives as long as this does, so waiting cannot fail.
        let _ = self
            .heartbeat
            .subscribe()
            .wait_for(|now| now.state == state)
            .await;
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.change(|inner| inner.phase = phase);
    }

    /// The worker has stopped when the guard is dropped.
    pub(super) fn stop_guard(self: &Arc<Self>) -> StopGuard {
        StopGuard(Arc::clone(self))
    }

    pub(super) fn set_health(&self, health: WorkerHealth, detail: &str) {
        let detail = first_line(detail, MAX_DETAIL_BYTES);
        self.change(|inner| (inner.health, inner.detail) = (health, detail));
    }

    /// Shows a task for as long as the guard lives.
    pub(super) fn track_task(
        self: &Arc<Self>,
        claim_ref: &ClaimRef,
        progress: Arc<ProgressHandle>,
    ) -> TaskGuard {
        let running = Running {
            task_id: claim_ref.task_id.clone(),
            since: Instant::now(),
            progress,
        };
        self.change(|inner| inner.running.insert(claim_ref.lease, running));
        TaskGuard {
            status: Arc::clone(self),
            lease: claim_ref.lease,
        }
    }

    pub(super) fn count_completed(&self) {
        self.inner().completed += 1;
    }

    pub(super) fn count_failed(&self) {
        self.inner().failed += 1;
    }

    pub(super) fn count_restarted(&self) {
        self.inner().restarts += 1;
    }

    pub(super) fn report(&self) -> WorkerStatus {
        let inner = self.inner();
        let tasks = inner.running.values();
        WorkerStatus {
            heartbeat: inner.heartbeat(self.capacity),
            tasks: tasks.map(|task| task.report(self.stuck_after)).collect(),
            completed: inner.completed,
            failed: inner.failed,
            restarts: inner.restarts,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) {
        let mut inner = self.inner();
        change(&mut inner);
        let now = inner.heartbeat(self.capacity);
        self.heartbeat.send_if_modified(|last| {
            let is_new = *last != now;
            *last = now;
            is_new
        });
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that the status shows.
pub(super) struct TaskGuard {
    status: Arc<SharedStatus>,
    lease: u64,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.status
            .change(|inner| inner.running.remove(&self.lease));
    }
}

/// The end of a worker.
pub(super) struct StopGuard(Arc<SharedStatus>);

impl Drop for StopGuard {
    fn drop(&mut self) {
        self.0.set_phase(Phase::Stopped);
    }
}

impl Inner {
    fn heartbeat(&self, capacity: usize) -> HeartbeatStatus {
        let state = match self.phase {
            Phase::Starting => WorkerState::Starting,
            Phase::Working if self.running.len() >= capacity => WorkerState::Busy,
            Phase::Working => WorkerState::Idle,
            Phase::Draining => WorkerState::Draining,
            Phase::Stopped => WorkerState::Stopped,
        };
        HeartbeatStatus {
            state,
            health: self.health,
            running: u32::try_from(self.running.len()).unwrap_or(u32::MAX),
            detail: self.detail.clone(),
        }
    }
}

impl Running {
    fn report(&self, stuck_after: Duration) -> RunningTask {
        let silent = self.progress.silent();
        RunningTask {
            task_id: self.task_id.clone(),
            running: prost_types::Duration::try_from(self.since.elapsed()).ok(),
            silent: prost_types::Duration::try_from(silent).ok(),
            progress: self.progress.fraction(),
            pid: self.progress.pid().unwrap_or_default(),
            stuck: silent >= stuck_after,
        }
    }
}
