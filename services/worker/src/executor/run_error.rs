//! How a run that brings no result is explained.

use std::process::ExitStatus;
use std::time::Duration;

use shim_exec::RunOutput;
use shim_proto::reasons::task::{EXECUTOR_FAILED, TIMED_OUT};
use shim_render::time::span;
use shim_work::{AttemptFailure, AttemptOutcome, Unfit};

/// Why a run brings no result.
pub(super) enum RunError {
    /// The program cannot run now.
    NotRunnable(String),
    /// The attempt failed.
    Failed(AttemptFailure),
}

impl From<AttemptFailure> for RunError {
    fn from(failure: AttemptFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RunError> for AttemptOutcome {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotRunnable(why) => Self::NotRunnable(why),
            RunError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// A program ran out of time; its last output says most about the reason.
pub(super) fn timed_out(ended: &mut RunOutput, limit: Duration) -> AttemptFailure {
    let what = format!("its time was up after {}", span(limit));
    AttemptFailure::new(TIMED_OUT, &with_output(&what, ended))
}

/// A program that was killed by a signal crashed; one that exits with a code says that it could not do the task.
pub(super) fn failed(ended: &mut RunOutput, status: ExitStatus) -> AttemptFailure {
    AttemptFailure {
        is_crash: status.code().is_none(),
        ..AttemptFailure::new(EXECUTOR_FAILED, &with_output(&status.to_string(), ended))
    }
}

/// A program that cannot be executed is no fault of the task.
pub(super) fn not_executable(ended: &mut RunOutput, status: ExitStatus) -> AttemptOutcome {
    let why = with_output(&status.to_string(), ended);
    AttemptOutcome::Unfit(Unfit::new(&why, None))
}

/// The words with what the program wrote last.
fn with_output(what: &str, ended: &mut RunOutput) -> String {
    match last_output(ended).trim() {
        "" => what.to_owned(),
        output => format!("{what}\n{output}"),
    }
}

/// What the program wrote to stderr, or else to stdout.
pub(super) fn last_output(ended: &mut RunOutput) -> String {
    if ended.stderr.is_empty() {
        ended.stdout.text().0
    } else {
        ended.stderr.text().0
    }
}
