//! A worker's status: its state, health, tasks and counters, shared by the worker, its attempts and its observers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use shim_exec::first_line;
use shim_proto::coordination::v1::{WorkerHealth, WorkerState};
use shim_proto::limits::worker::MAX_DETAIL_BYTES;
use shim_proto::worker::v1::RunningTask;
use shim_runtime::ids::{LeaseToken, TaskId};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::claim::ClaimRef;
use crate::options::WorkerOptions;
use crate::progress::ProgressHandle;

/// What a heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatStatus {
    /// Where the worker is in its life.
    pub state: WorkerState,
    /// How well its executor works.
    pub health: WorkerHealth,
    /// How many tasks it runs.
    pub running: u32,
    /// Why it is not healthy, in a few words; else empty.
    pub detail: String,
    /// Until when it can do no task, if it is unhealthy and that is known.
    pub unfit_until: Option<SystemTime>,
}

/// A worker as its observers see it.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    /// What its heartbeats say.
    pub heartbeat: HeartbeatStatus,
    /// The tasks it runs now.
    pub tasks: Vec<RunningTask>,
    /// Tasks completed since it started.
    pub completed: u64,
    /// Attempts failed since it started.
    pub failed: u64,
    /// How often its executor was tried again after a crash or a failed start.
    pub restarts: u64,
    /// Tasks given back untried since it started, because its executor could do none.
    pub held: u64,
}

/// The status, shared by a worker, its attempts and its observers.
#[derive(Debug)]
pub(crate) struct SharedStatus {
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
    unfit_until: Option<SystemTime>,
    running: BTreeMap<LeaseToken, Running>,
    completed: u64,
    failed: u64,
    restarts: u64,
    held: u64,
}

/// Where a worker is in its life, regardless of how many tasks it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Working,
    Draining,
    Stopped,
}

#[derive(Debug)]
struct Running {
    task_id: TaskId,
    since: Instant,
    progress: Arc<ProgressHandle>,
}

impl SharedStatus {
    pub(crate) fn new(options: &WorkerOptions) -> Self {
        let inner = Inner {
            phase: Phase::Starting,
            health: WorkerHealth::Healthy,
            detail: String::new(),
            unfit_until: None,
            running: BTreeMap::new(),
            completed: 0,
            failed: 0,
            restarts: 0,
            held: 0,
        };
        let capacity = options.capacity as usize;
        Self {
            capacity,
            stuck_after: options.stuck_after,
            heartbeat: watch::Sender::new(inner.heartbeat(capacity)),
            inner: Mutex::new(inner),
        }
    }

    /// Follows the heartbeat's content.
    pub(crate) fn subscribe(&self) -> watch::Receiver<HeartbeatStatus> {
        self.heartbeat.subscribe()
    }

    pub(crate) async fn reached(&self, state: WorkerState) {
        // The sender lives as long as this does, so waiting cannot fail.
        let _ = self
            .heartbeat
            .subscribe()
            .wait_for(|now| now.state == state)
            .await;
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.change(|inner| inner.phase = phase);
    }

    /// A guard whose drop means that the worker has stopped.
    pub(crate) fn stop_guard(self: &Arc<Self>) -> StopGuard {
        StopGuard(Arc::clone(self))
    }

    pub(crate) fn set_health(
        &self,
        health: WorkerHealth,
        detail: &str,
        unfit_until: Option<SystemTime>,
    ) {
        let detail = first_line(detail, MAX_DETAIL_BYTES);
        self.change(|inner| {
            (inner.health, inner.detail, inner.unfit_until) = (health, detail, unfit_until);
        });
    }

    /// Lists a task for as long as the guard lives.
    pub(crate) fn track_task(
        self: &Arc<Self>,
        claim_ref: ClaimRef,
        progress: Arc<ProgressHandle>,
    ) -> TaskGuard {
        let running = Running {
            task_id: claim_ref.task_id,
            since: Instant::now(),
            progress,
        };
        self.change(|inner| inner.running.insert(claim_ref.lease, running));
        TaskGuard {
            status: Arc::clone(self),
            lease: claim_ref.lease,
        }
    }

    pub(crate) fn count_completed(&self) {
        self.inner().completed += 1;
    }

    pub(crate) fn count_failed(&self) {
        self.inner().failed += 1;
    }

    pub(crate) fn count_restarted(&self) {
        self.inner().restarts += 1;
    }

    pub(crate) fn count_held(&self) {
        self.inner().held += 1;
    }

    pub(crate) fn report(&self) -> WorkerStatus {
        let inner = self.inner();
        let tasks = inner.running.values();
        WorkerStatus {
            heartbeat: inner.heartbeat(self.capacity),
            tasks: tasks.map(|task| task.report(self.stuck_after)).collect(),
            completed: inner.completed,
            failed: inner.failed,
            restarts: inner.restarts,
            held: inner.held,
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

/// A task that the status lists.
pub(crate) struct TaskGuard {
    status: Arc<SharedStatus>,
    lease: LeaseToken,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.status
            .change(|inner| inner.running.remove(&self.lease));
    }
}

/// Marks the end of a worker.
pub(crate) struct StopGuard(Arc<SharedStatus>);

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
            unfit_until: self.unfit_until,
        }
    }
}

impl Running {
    fn report(&self, stuck_after: Duration) -> RunningTask {
        let silent = self.progress.silent();
        RunningTask {
            task_id: self.task_id.into(),
            running: prost_types::Duration::try_from(self.since.elapsed()).ok(),
            silent: prost_types::Duration::try_from(silent).ok(),
            progress: self.progress.fraction(),
            pid: self.progress.pid().unwrap_or_default(),
            stuck: silent >= stuck_after,
        }
    }
}
