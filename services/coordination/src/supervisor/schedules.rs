//! Schedules: each time a schedule is due, one copy of its job is submitted, or left out while an earlier one goes on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_proto::coordination::v1::{OverlapPolicy, Task, TaskState};
use shim_runtime::ids::TaskId;
use shim_store::tasks::{DueRun, Job, LineageLimits, Submission};
use shim_store::{Error, IdempotencyKey, Store};

use super::sweep_start::SweepStart;
use crate::domain::copy::copy;
use crate::domain::schedule::Schedule;
use crate::schedule_reader;

/// Submits the run that is due, and moves the schedule to its next run. One run stands for all that were missed.
pub(super) async fn submit_due_run(
    store: &Store,
    schedule_id: &str,
    due_ms: i64,
    started: SweepStart,
) -> Result<(), Error> {
    let Some(template) = store.tasks.job(schedule_id, false).await? else {
        return Ok(());
    };
    if template.root.state() != TaskState::Delayed {
        // The schedule was cancelled after the sweep.
        return Ok(());
    }
    let next = match next(template.root.schedule.clone(), due_ms).await {
        Ok(next) => next,
        Err(why) => return end(store, schedule_id, &why, started).await,
    };
    let due = DueRun {
        schedule_id: schedule_id.to_owned(),
        due_ms,
        next_ms: next * 1_000,
        skips_overlap: template.root.overlap() != OverlapPolicy::Allow,
    };
    let job = plan_run(template);
    if !started.is_fresh() {
        return Ok(());
    }
    let idempotency_key = IdempotencyKey::named(format!("run {schedule_id} {due_ms}"));
    store.tasks.submit_run(&idempotency_key, &job, &due).await
}

/// Ends a schedule that cannot go on.
async fn end(
    store: &Store,
    schedule_id: &str,
    why: &str,
    started: SweepStart,
) -> Result<(), Error> {
    if !started.is_fresh() {
        return Ok(());
    }
    tracing::warn!(schedule = schedule_id, why, "a schedule ends");
    let idempotency_key = IdempotencyKey::named(format!("over {schedule_id}"));
    let why = format!("its schedule {why}");
    let over = store.tasks.cancel(&idempotency_key, schedule_id, &why);
    over.await.map(drop)
}

/// The first run that is in the future and later than the due one, in seconds since the Unix epoch.
///
/// # Errors
/// Why there is none, in words.
async fn next(schedule: String, due_ms: i64) -> Result<i64, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or_default();
    // The store's clock, which decides that a schedule is due, may be ahead of this one.
    let after = now.max(due_ms / 1_000);
    let reading = schedule_reader::read(move || {
        let next = Schedule::stored(&schedule)?.after(after);
        next.ok_or_else(|| "has no next run".to_owned())
    });
    reading.await.map_err(|slow| slow.to_string())?
}

/// A run: a copy of the schedule's job that names its schedule.
fn plan_run(template: Job) -> Submission {
    let schedule_id = template.root.task_id.clone();
    let backoff = template.backoff;
    let mut tasks: Vec<Task> = std::iter::once(template.root)
        .chain(template.subtasks)
        .collect();
    copy(&mut tasks, || TaskId::new().to_string());
    let subtasks = tasks.split_off(1);
    let mut root = tasks.swap_remove(0);
    root.schedule.clear();
    root.overlap = OverlapPolicy::Unspecified.into();
    root.scheduled_by = schedule_id;
    Submission {
        root,
        subtasks,
        delay: Duration::ZERO,
        backoff,
        schedule_next: None,
        // A run stands where its schedule stands, which was within the limits.
        lineage: LineageLimits::default(),
        caller: String::new(),
    }
}
