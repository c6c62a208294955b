//! The life of a worker: it takes tasks as it has room, has them done, and tells how they go.
//!
//! Starting, idle, busy, draining, stopped. It speaks to the store through a [`Desk`] only, and does the work through an
//! [`Executor`]. A worker never kills a task for being silent; it kills what it may not do any more, and what is left at
//! the end of its drain.

mod attempt;
mod desk;
mod fitness;
mod shift;
mod status;

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::WorkerState;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::executor::Executor;

use shift::Shift;
use status::Status;

pub use crate::executor::Claim;
pub use desk::{Desk, Held, Refusal};
pub use status::{Report, Vitals};

/// What a worker is held to.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How many tasks it takes at once.
    pub capacity: u32,
    /// A task that was silent for longer is told to be stuck.
    pub stuck_after: Duration,
    /// How often it says that it lives.
    pub beat_every: Duration,
    /// How long it waits for a task before it asks again.
    pub claim_wait: Duration,
}

/// A running worker. Dropped, it ends at once and kills what it runs.
#[derive(Debug)]
pub struct Worker {
    status: Arc<Status>,
    /// When its tasks must be over; `None` as long as it works.
    until: watch::Sender<Option<Instant>>,
    work: JoinHandle<()>,
}

impl Worker {
    /// Begins to work.
    pub fn start<D: Desk>(desk: Arc<D>, executor: Arc<dyn Executor>, terms: Terms) -> Self {
        let status = Arc::new(Status::new(&terms));
        let (until, ends) = watch::channel(None);
        let shift = Shift::new(desk, executor, terms, Arc::clone(&status), ends);
        Self {
            status,
            until,
            work: tokio::spawn(shift.run()),
        }
    }

    /// Takes nothing new from now on, and stops when its tasks are over. After `deadline` they are killed and given
    /// back. A later call can only bring the end nearer.
    pub fn drain(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        self.until.send_if_modified(|until| {
            let is_nearer = until.is_none_or(|until| end < until);
            if is_nearer {
                *until = Some(end);
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
    pub fn report(&self) -> Report {
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

impl Drop for Worker {
    fn drop(&mut self) {
        self.work.abort();
    }
}
