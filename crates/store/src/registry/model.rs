//! What callers of the registry pass and get.

use std::time::Duration;

use prost_types::Timestamp;
use shim_proto::coordination::v1::{Worker, WorkerChangeKind, WorkerHealth, WorkerState};
use shim_runtime::ids::{Epoch, WorkerId};

/// The start of the bus channels of all changes; the name of the change follows.
pub const CHANNELS: &str = "worker:";
/// Workers that die or are forgotten in one step, which keeps Redis busy for about two milliseconds.
pub const SWEEP: usize = 200;
/// The longest silence of all workers that is not given back, however late silent workers may die.
const MAX_STALL: Duration = Duration::from_secs(2);

/// Selects the workers of a list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub capability: String,
    /// Unspecified: all living workers.
    pub state: WorkerState,
    /// Without a state: the workers that went, too.
    pub include_gone: bool,
}

/// The workers that a message is for.
#[derive(Debug, Clone)]
pub enum Recipients {
    /// The worker with this id.
    Worker(WorkerId),
    /// The living workers with this capability.
    Capability(String),
}

/// A beat of a worker.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// The worker.
    pub worker_id: WorkerId,
    /// The worker's epoch, as its registration returned it.
    pub epoch: Epoch,
    /// Tasks that the worker runs now.
    pub running: u32,
    /// Unspecified: idle or busy, by what it runs and its capacity.
    pub state: WorkerState,
    /// The worker's own judgement.
    pub health: WorkerHealth,
    /// The reason for its health.
    pub detail: String,
    /// Until when an unhealthy worker can do no task, if it knows.
    pub unfit_until: Option<Timestamp>,
}

/// A page of workers.
#[derive(Debug)]
pub struct Page {
    /// Every change up to this position is in the page, perhaps later ones.
    pub position: u64,
    /// The workers in the order of their ids.
    pub workers: Vec<Worker>,
    /// The id that the next page begins after; `None` at the end.
    pub next: Option<String>,
}

/// A change in the registry's history.
#[derive(Debug)]
pub struct Change {
    /// The change's position in the history.
    pub position: u64,
    /// What happened.
    pub kind: WorkerChangeKind,
    /// The changed worker.
    pub worker_id: WorkerId,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReapResult {
    /// Workers that were silent for too long, at most [`SWEEP`].
    pub died: usize,
    /// Workers that went long ago and are forgotten now, at most [`SWEEP`].
    pub forgotten: usize,
}

/// A longer time without any beat and any sweep is given back to the workers: Redis was away, or no process served. It is at
/// most half of `dead_after`, which is at least two heartbeats: a worker that beats on time outlives any shorter time. And it
/// is longer than a dead leader needs to be followed by another, so the leader's death delays no worker's.
pub fn stall(dead_after: Duration) -> Duration {
    (dead_after / 2).min(MAX_STALL)
}
