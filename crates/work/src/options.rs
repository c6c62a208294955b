//! What one worker is started with.

use std::time::Duration;

/// The limits and intervals of a worker.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How many tasks the worker runs at once.
    pub capacity: u32,
    /// A task that is silent for longer is reported as stuck.
    pub stuck_after: Duration,
    /// The longest time between two heartbeats.
    pub heartbeat_every: Duration,
    /// How long one claim waits for a task.
    pub claim_wait: Duration,
}
