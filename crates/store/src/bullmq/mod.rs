//! BullMQ: the queues in which tasks wait, in the form that other programs read, process and fill.
//!
//! Nothing outside of this folder names the crate `bullmq`. [`Queues`] takes jobs out and makes BullMQ agree with what a
//! task's record says; it knows jobs and queues, and nothing of records, claims or workers. BullMQ's own lock on a job
//! only keeps its stall checkers away: the record says which worker has a task, the registry whether that worker lives.

mod address;
mod job;
mod open_queue;
mod queues;
mod reconcile;
mod taken_job;

pub(crate) use queues::Queues;
pub(crate) use reconcile::{JobState, TaskJob};
pub(crate) use taken_job::TakenJob;
