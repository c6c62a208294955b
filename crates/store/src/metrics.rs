//! What the store counts for who watches it; the table in `shim_runtime::metrics` tells what each number means.
//!
//! Something is counted where its script's answer is read: once committed, and not again when a request is repeated. An
//! answer that got lost is counted by nobody. Tasks have a file of their own beside them.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::error::Error;

/// What somebody wrote that had lost the lease to do so.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StaleWriteKind {
    /// A report on a task.
    Task,
    /// An entry of state.
    State,
    /// A lock.
    Lock,
    /// A lease on files.
    Files,
}

/// Whether somebody got what was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AcquireResult {
    Granted,
    Refused,
}

impl AcquireResult {
    const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }
}

/// Redis answers, or does not any more.
pub(crate) fn set_redis_up(is_up: bool) {
    gauge!("shim_redis_up").set(f64::from(u8::from(is_up)));
}

/// A script was answered after this long, or given up.
pub(crate) fn record_redis_call(took: Duration) {
    histogram!("shim_redis_call_duration_seconds").record(took);
}

/// A call to Redis failed.
pub(crate) fn count_redis_error(error: &Error) {
    count_redis_failure(match error {
        Error::Unavailable(_) => "unavailable",
        Error::Full => "full",
        _ => "other",
    });
}

/// A call to Redis was given up: no answer came in time.
pub(crate) fn count_redis_timeout() {
    count_redis_failure("slow");
}

fn count_redis_failure(kind: &'static str) {
    counter!("shim_redis_errors_total", "kind" => kind).increment(1);
}

/// A worker died; this long ago it had to be taken for dead.
pub(crate) fn record_worker_death(delay: Duration) {
    counter!("shim_worker_deaths_total").increment(1);
    histogram!("shim_worker_death_detection_delay_seconds").record(delay);
}

/// A compare-and-set met another version.
pub(crate) fn count_state_conflict() {
    counter!("shim_state_conflicts_total").increment(1);
}

/// A lock was asked for.
pub(crate) fn count_lock(outcome: AcquireResult) {
    counter!("shim_locks_acquired_total", "outcome" => outcome.name()).increment(1);
}

/// Files were asked for.
pub(crate) fn count_file_lease(outcome: AcquireResult) {
    counter!("shim_file_leases_total", "outcome" => outcome.name()).increment(1);
}

/// A message is in an inbox.
pub(crate) fn count_message() {
    counter!("shim_messages_sent_total").increment(1);
}

/// A write was refused.
pub(crate) fn count_stale_write(what: StaleWriteKind) {
    let what = match what {
        StaleWriteKind::Task => "task",
        StaleWriteKind::State => "state",
        StaleWriteKind::Lock => "lock",
        StaleWriteKind::Files => "files",
    };
    counter!("shim_stale_writes_refused_total", "what" => what).increment(1);
}
