//! What the transitions of tasks committed, in metrics; the table in `shim_runtime::metrics` says what each means.
//!
//! A script returns its counts apart from the answer that a repeated request gets again, so everything counts once. Times
//! are differences of Redis's times, whichever processes they happened in.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, counter, histogram};
use prost_types::Timestamp;
use shim_proto::coordination::v1::{Task, WorkerKind};

use super::class::executor;
use super::outbox_entries::OutboxEntries;

/// Kinds of tasks that have a series of their own; submitters may name any number.
const MAX_KINDS: usize = 32;

/// The kinds of tasks that have a series of their own: those that came first.
#[derive(Debug, Default)]
pub(super) struct KindLabels(Mutex<HashSet<String>>);

impl KindLabels {
    fn label(&self, kind: &str) -> String {
        if kind.is_empty() {
            return "none".to_owned();
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(kind) {
            if known.len() == MAX_KINDS {
                return "other".to_owned();
            }
            known.insert(kind.to_owned());
        }
        kind.to_owned()
    }
}

/// Counts what a script committed; see `count` in `shared.lua`.
pub(super) fn count_committed(counts: &[(String, u64)]) {
    for (what, times) in counts {
        match counter_of(what) {
            Some(counter) => counter.increment(*times),
            None => tracing::error!(what, "a script counts what has no metric"),
        }
    }
}

fn counter_of(what: &str) -> Option<Counter> {
    let ended = |state: &'static str| counter!("shim_tasks_ended_total", "state" => state);
    let retried = |why: &'static str| counter!("shim_task_retries_total", "reason" => why);
    Some(match what {
        "submitted" => counter!("shim_tasks_submitted_total"),
        "claimed elsewhere" => claimed_by("foreign"),
        "completed" => ended("completed"),
        "failed" => ended("failed"),
        "cancelled" => ended("cancelled"),
        "dead letter forgotten" => counter!("shim_dead_letters_forgotten_total"),
        "dead letter" => counter!("shim_tasks_dead_lettered_total"),
        "put back: failed" => retried("failed"),
        "put back: released" => retried("released"),
        "put back: held" => retried("held"),
        "put back: died" => retried("died"),
        _ => return None,
    })
}

fn claimed_by(executor: &'static str) -> Counter {
    counter!("shim_tasks_claimed_total", "executor" => executor)
}

/// A worker of this kind has the task now, which had been waiting since it could run.
pub(super) fn count_claim(kind: WorkerKind, task: &Task) {
    claimed_by(executor(kind)).increment(1);
    let runnable_at_ms = millis(task.ready_at).max(millis(task.not_before));
    histogram!("shim_task_wait_seconds").record(elapsed(runnable_at_ms, millis(task.started_at)));
}

/// The task's worker committed its result.
pub(super) fn record_duration(kinds: &KindLabels, task: &Task, entries: &OutboxEntries) {
    let took = elapsed(millis(task.started_at), entries.at_ms());
    histogram!("shim_task_duration_seconds", "kind" => kinds.label(&task.kind)).record(took);
}

/// So many tasks of a worker, whose death was known then, wait for another now.
pub(super) fn record_requeue_delays(
    tasks: u64,
    known_at: Option<Timestamp>,
    entries: &OutboxEntries,
) {
    let delay = elapsed(millis(known_at), entries.at_ms());
    for _ in 0..tasks {
        histogram!("shim_task_requeue_delay_seconds").record(delay);
    }
}

fn millis(at: Option<Timestamp>) -> i64 {
    at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000)
}

/// From one time of Redis to a later one: the nodes of a Cluster, or two masters, may disagree a little.
fn elapsed(from_ms: i64, to_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(to_ms - from_ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_kinds_have_a_name_and_the_rest_share_one() {
        let kinds = KindLabels::default();
        assert_eq!(kinds.label(""), "none");
        for number in 0..MAX_KINDS {
            let kind = format!("kind-{number}");
            assert_eq!(kinds.label(&kind), kind);
        }
        assert_eq!(kinds.label("one too many"), "other");
        assert_eq!(kinds.label("kind-7"), "kind-7");
    }

    #[test]
    fn a_clock_that_went_back_makes_no_time_negative() {
        assert_eq!(elapsed(5_000, 4_000), Duration::ZERO);
        assert_eq!(elapsed(4_000, 5_500), Duration::from_millis(1_500));
    }
}
