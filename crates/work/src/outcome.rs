//! How an attempt at a task ended.

use std::time::SystemTime;

use shim_exec::clipped;
use shim_proto::coordination::v1::{TaskError, TaskResult};
use shim_proto::fitness::HoldCause;
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
    /// It came to nothing, for a reason that would stop any task.
    Unfit(Unfit),
}

/// Why an executor can do no task now, though its program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The reason, for people.
    pub why: String,
    /// When it can again, if that is known.
    pub until: Option<SystemTime>,
    /// What it is about.
    pub hindrance: Hindrance,
}

/// What keeps an executor from doing tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hindrance {
    /// Somebody has to do something, or a known time has to come; what it is about may also be the task.
    #[default]
    Lasting,
    /// The network is away.
    Unreached,
    /// The provider asks to come back in a moment.
    Throttled,
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

impl Unfit {
    /// Why, in one line: what happened, and the last words about it. Secrets are taken out before a line is left out.
    #[must_use]
    pub fn new(why: &str, until: Option<SystemTime>) -> Self {
        let why = redact::text(why);
        let lines: Vec<&str> = why
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let kept = match &lines[..] {
            [first, .., before_last, last] => vec![*first, *before_last, *last],
            few => few.to_vec(),
        };
        Self {
            why: kept.join(": "),
            until,
            hindrance: Hindrance::Lasting,
        }
    }

    /// The same, about what passes by itself.
    #[must_use]
    pub fn about(self, hindrance: Hindrance) -> Self {
        Self { hindrance, ..self }
    }

    /// How the task that met it is given back.
    #[must_use]
    pub fn hold_cause(&self) -> HoldCause {
        match (self.until, self.hindrance) {
            (Some(_), _) => HoldCause::Timed,
            (None, Hindrance::Lasting) => HoldCause::Untimed,
            (None, Hindrance::Unreached | Hindrance::Throttled) => HoldCause::Passing,
        }
    }
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

    /// Adds to the end of the message, which is cut before it if there is too little room.
    pub fn append(&mut self, end: &str) {
        let room = MAX_ERROR_BYTES.saturating_sub(end.len());
        let message = clipped(&self.error.message, room).0;
        self.error.message = message + end;
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
