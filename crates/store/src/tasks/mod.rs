//! Tasks: their records, the workers that may work on them, and their way through BullMQ.
//!
//! The invariants, each kept by one script over one hash slot: a task has one worker at most, proven by the fencing token
//! of its claim; its result is committed once; what follows from its end - tasks that may start, a job that ends - is
//! decided in the same step. The record decides, BullMQ's queues follow it: a decision adds to an outbox what BullMQ must
//! follow, and the relay takes it off afterwards, so nothing is lost when a process dies in between.

mod claims;
mod class;
mod decisions;
mod declared_queues;
mod done_entries;
mod file_waiters;
mod health;
mod held_up;
mod job;
mod list;
mod log;
mod lost_claims;
mod maintenance;
mod metrics;
mod notice;
mod notifier;
mod outbox_entries;
mod outbox_relay;
mod pausing;
mod pruning;
mod reader;
mod record;
mod refusal;
mod reports;
mod rows;
mod scripts;
mod spans;
mod submission;
mod submit;
mod taken_jobs;
mod task_store;
mod wakeup;

pub use claims::{Claimed, Claimer};
pub use class::{Class, executor, fits};
pub use health::{Depth, Heads, QueueCounts, QueueHead, QueuesHealth, WaitingWorkers};
pub use job::Job;
pub use list::{Filter, Page};
pub use maintenance::{SweepConfig, SweepResult, WorkerGone};
pub use pruning::{PruneScope, Pruned};
pub use reports::ProgressReport;
pub use submission::{DueRun, LineageLimits, Submission};
pub use task_store::Tasks;
pub use wakeup::Wakeup;
