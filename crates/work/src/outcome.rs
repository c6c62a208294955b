//! How an attempt at a task ended.

use shim_exec::clipped;
use shim_proto::coordination::v1::{TaskError, TaskResult};
use shim_proto::limits::task::MAX_ERROR_BYTES;
use shim_proto::reasons::task::{EXECUTOR_FAILED, NOT_ALLOWED};
use shim_runtime::redact;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptOutcome {
    /// With a result.
    Completed(TaskResult),
    /// Without one.
    Failed(AttemptFailure),
    /// The worker stopped it.
    Stopped,
    /// It never began: the executor cannot run anything now, for the reason given.
    NotRunnable(String),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptFailure {
    /// The error as the submitter sees it.
    pub error: TaskError,
    /// Another attempt is of no use.
    pub is_final: bool,
    /// The executor broke; the task may be fine.
    pub is_crash: bool,
}

impl AttemptFailure {
    /// A failure with a reason of the contract, after which the task may be tried again. The message is published without its secrets, within the bound of
    /// the wire.
    #[must_use]
    pub fn new(reason: &str, message: &str) -> Self {
        Self {
            error: TaskError {
                reason: reason.to_owned(),
                message: clipped(&redact::text(message), MAX_ERROR_BYTES).0,
            },
            is_final: false,
            is_crash: false,
        }
    }

    /// The executor broke.
    #[must_use]
    pub fn crash(message: &str) -> Self {
        Self {
            is_crash: true,
            ..Self::new(EXECUTOR_FAILED, message)
        }
    }

    /// The task asks for what it may not have, and will at every attempt.
    #[must_use]
    pub fn not_allowed(message: &str) -> Self {
        Self {
            is_final: true,
            ..Self::new(NOT_ALLOWED, message)
        }
    }
}
