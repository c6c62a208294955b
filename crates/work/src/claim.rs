//! A task that a worker claimed, and the reference that proves the claim.

use shim_proto::coordination::v1::Task;
use shim_runtime::ids::{LeaseToken, TaskId};

/// The claim that a report proves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClaimRef {
    /// The task.
    pub task_id: TaskId,
    /// The fencing token of the claim. No two claims share one.
    pub lease: LeaseToken,
}

/// A claimed task.
#[derive(Debug, Clone, Default)]
pub struct ClaimedTask {
    /// Proves the claim.
    pub claim_ref: ClaimRef,
    /// The task.
    pub task: Task,
    /// Where an earlier worker left off, as text for people and models.
    pub resume: Option<String>,
}
