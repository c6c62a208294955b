//! A worker's life: starting, idle, busy, draining, stopped.
//!
//! A worker claims tasks while it has free slots, has an [`Executor`] do them, and reports how they go. It gets its tasks
//! through a [`TaskBackend`] and knows no store, no transport and no process. It never ends a task for being silent; it ends
//! a task whose claim is over, and what is left at the end of its drain.

mod attempt;
mod claim;
mod executor;
mod handle;
mod health;
mod options;
mod outcome;
mod progress;
mod reporter;
pub mod spans;
mod status;
mod task_backend;
mod worker_loop;

pub use claim::{ClaimRef, ClaimedTask};
pub use executor::Executor;
pub use handle::WorkerHandle;
pub use options::WorkerOptions;
pub use outcome::{AttemptFailure, AttemptOutcome, Hindrance, Unfit};
pub use progress::{ProgressHandle, ProgressUpdate};
pub use status::{HeartbeatStatus, WorkerStatus};
pub use task_backend::{BackendError, TaskBackend};
