//! Schedules: each time a schedule is due, one copy of its job is submitted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_proto::coordination::v1::{Task, TaskState};
use shim_runtime::ids::TaskId;
use shim_store::tasks::{Job, Submission};
use shim_store::{Error, IdempotencyKey, Store};

use super::sweep_start::SweepStart;
use crate::domain::copy::copy;
use crate::domain::schedule::Schedule;

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
    let next = next(&template.root.schedule, due_ms);
    let job = plan_run(template);
    if !started.is_fresh() {
        return Ok(());
    }
    let idempotency_key = IdempotencyKey::named(format!("run {schedule_id} {due_ms}"));
    store.tasks.submit(&idempotency_key, &job).await?;
    match next {
        Some(next) => {
            let next_ms = next * 1_000;
            store.tasks.reschedule(schedule_id, due_ms, next_ms).await
        }
        None => {
            let idempotency_key = IdempotencyKey::named(format!("over {schedule_id}"));
            let over = store
                .tasks
                .cancel(&idempotency_key, schedule_id, "it has no next run");
            over.await.map(drop)
        }
    }
}

/// The first run that is in the future and later than the due one, in seconds since the Unix epoch.
fn next(schedule: &str, due_ms: i64) -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let now = i64::try_from(now.as_secs()).ok()?;
    // The store's clock, which decides that a schedule is due, may be ahead of this one.
    Schedule::parse(schedule)
        .ok()?
        .after(now.max(due_ms / 1_000))
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
    root.scheduled_by = schedule_id;
    Submission {
        root,
        subtasks,
        delay: Duration::ZERO,
        backoff,
        schedule_next: None,
    }
}
