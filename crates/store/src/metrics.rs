//! The store's metrics; the table in `shim_runtime::metrics` says what each number means.
//!
//! An effect is counted where its script's answer is read: once, and not again when a request is repeated. An effect whose
//! answer got lost is not counted. The metrics of tasks are in `tasks/metrics.rs`.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::error::Error;

/// The kind of a write whose writer had lost its lease.
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

/// The outcome of an acquisition.
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

/// Sets whether Redis answers.
pub(crate) fn set_redis_up(is_up: bool) {
    gauge!("shim_redis_up").set(f64::from(u8::from(is_up)));
}

/// Records how long a script took until its answer or its timeout.
pub(crate) fn record_redis_call(took: Duration) {
    histogram!("shim_redis_call_duration_seconds").record(took);
}

/// Counts a call to Redis that failed.
pub(crate) fn count_redis_error(error: &Error) {
    count_redis_failure(match error {
        Error::Unavailable(_) => "unavailable",
        Error::Full => "full",
        _ => "other",
    });
}

/// Counts a call to Redis whose answer did not come in time.
pub(crate) fn count_redis_timeout() {
    count_redis_failure("slow");
}

fn count_redis_failure(kind: &'static str) {
    counter!("shim_redis_errors_total", "kind" => kind).increment(1);
}

/// Counts a worker's death, with the time between its due time and the sweep that found it.
pub(crate) fn record_worker_death(delay: Duration) {
    counter!("shim_worker_deaths_total").increment(1);
    histogram!("shim_worker_death_detection_delay_seconds").record(delay);
}

/// Counts a compare-and-set that met another version.
pub(crate) fn count_state_conflict() {
    counter!("shim_state_conflicts_total").increment(1);
}

/// Counts an acquisition of a lock.
pub(crate) fn count_lock(outcome: AcquireResult) {
    counter!("shim_locks_acquired_total", "outcome" => outcome.name()).increment(1);
}

/// Counts an acquisition of files.
pub(crate) fn count_file_lease(outcome: AcquireResult) {
    counter!("shim_file_leases_total", "outcome" => outcome.name()).increment(1);
}

/// Counts a message that was put into an inbox.
pub(crate) fn count_message() {
    counter!("shim_messages_sent_total").increment(1);
}

/// Counts a write that was refused because its writer had lost its lease.
pub(crate) fn count_stale_write(what: StaleWriteKind) {
    let what = match what {
        StaleWriteKind::Task => "task",
        StaleWriteKind::State => "state",
        StaleWriteKind::Lock => "lock",
        StaleWriteKind::Files => "files",
    };
    counter!("shim_stale_writes_refused_total", "what" => what).increment(1);
}
