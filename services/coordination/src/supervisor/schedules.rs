//! Schedules: each time one is due, a copy of its job is submitted, once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_proto::coordination::v1::{Task, TaskState};
use shim_store::tasks::{Job, Submission};
use shim_store::{Error, IdempotencyKey, Store};
use uuid::Uuid;

use super::sweep_start::SweepStart;
use crate::domain::copy::copy;
use crate::domain::schedule::Schedule;

/// Submits the run that was due, and moves the schedule to the next. Runs that were missed are made up for by one.
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
        // Called off since it was told.
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

/// The first time that is still to come, and later than the last, in seconds of Unix time.
fn next(schedule: &str, due_ms: i64) -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let now = i64::try_from(now.as_secs()).ok()?;
    // The store's clock, which the schedule is due by, may be ahead of this one.
    Schedule::parse(schedule)
        .ok()?
        .after(now.max(due_ms / 1_000))
}

fn plan_run(template: Job) -> Submission {
    let schedule_id = template.root.task_id.clone();
    let backoff = template.backoff;
    let mut tasks: Vec<Task> = std::iter::once(template.root)
        .chain(template.subtasks)
        .collect();
    copy(&mut tasks, || Uuid::now_v7().to_string());
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
