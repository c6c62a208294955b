//! The life of a worker: it takes tasks as it has room, has them done, and tells how they go.
//!
//! Starting, idle, busy, draining, stopped. It speaks to the store through a [`TaskBackend`] only, and does the work through an
//! [`Executor`]. A worker never kills a task for being silent; it kills what it may not do any more, and what is left at
//! the end of its drain.

mod attempt;
mod health;
mod status;
mod task_backend;
mod worker_loop;

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::WorkerState;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::executor::Executor;

use status::SharedStatus;
use worker_loop::WorkerLoop;

pub use crate::executor::ClaimedTask;
pub use status::{HeartbeatStatus, WorkerStatus};
pub use task_backend::{BackendError, ClaimRef, TaskBackend};

/// What a worker is held to.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How many tasks it takes at once.
    pub capacity: u32,
    /// A task that was silent for longer is told to be stuck.
    pub stuck_after: Duration,
    /// How often it says that it lives.
    pub heartbeat_every: Duration,
    /// How long it waits for a task before it asks again.
    pub claim_wait: Duration,
}

/// A running worker. Dropped, it ends at once and kills what it runs.
#[derive(Debug)]
pub struct WorkerHandle {
    status: Arc<SharedStatus>,
    /// When its tasks must be over; `None` as long as it works.
    deadline: watch::Sender<Option<Instant>>,
    work: JoinHandle<()>,
}

impl WorkerHandle {
    /// Begins to work.
    pub fn start<D: TaskBackend>(
        backend: Arc<D>,
        executor: Arc<dyn Executor>,
        options: WorkerOptions,
    ) -> Self {
        let status = Arc::new(SharedStatus::new(&options));
        let (deadline, deadline_changes) = watch::channel(None);
        let worker_loop = WorkerLoop::new(
            backend,
            executor,
            options,
            Arc::clone(&status),
            deadline_changes,
        );
        Self {
            status,
            deadline,
            work: tokio::spawn(worker_loop.run()),
        }
    }

    /// Takes nothing new from now on, and stops when its tasks are over. After `deadline` they are killed and given
    /// back. A later call can only bring the end nearer.
    pub fn drain(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        self.deadline.send_if_modified(|deadline| {
            let is_nearer = deadline.is_none_or(|deadline| end < deadline);
            if is_nearer {
                *deadline = Some(end);
            }
            is_nearer
        });
    }

    /// Kills its tasks, gives them back and stops.
    pub fn stop(&self) {
        self.drain(Duration::ZERO);
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> WorkerStatus {
        self.status.report()
    }

    /// Waits until it has stopped.
    pub async fn stopped(&self) {
        self.status.reached(WorkerState::Stopped).await;
    }

    /// Waits until it is in this state.
    pub async fn reached(&self, state: WorkerState) {
        self.status.reached(state).await;
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.work.abort();
    }
}
