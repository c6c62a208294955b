//! Schedules: each time one is due, a copy of its job is submitted, once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_proto::coordination::v1::Task;
use shim_store::tasks::{Job, Plan};
use shim_store::{Error, Once, Store};
use uuid::Uuid;

use crate::domain::copy::copy;
use crate::domain::schedule::Schedule;

/// Submits the run that was due, and moves the schedule to the next. Runs that were missed are made up for by one.
pub(super) async fn run(store: &Store, schedule_id: &str, due_ms: i64) -> Result<(), Error> {
    let Some(template) = store.tasks.job(schedule_id, false).await? else {
        return Ok(());
    };
    let once = Once {
        request_id: format!("run-{schedule_id}-{due_ms}"),
        fingerprint: String::new(),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let next = Schedule::parse(&template.root.schedule)
        .ok()
        .and_then(|schedule| schedule.after(i64::try_from(now.as_secs()).ok()?));
    let job = run_of(template);
    store.tasks.submit(&once, &job).await?;
    match next {
        Some(next) => {
            store
                .tasks
                .reschedule(schedule_id, due_ms, next * 1_000)
                .await
        }
        None => {
            let once = Once {
                request_id: format!("over-{schedule_id}"),
                fingerprint: String::new(),
            };
            let over = store.tasks.cancel(&once, schedule_id, "it has no next run");
            over.await.map(drop)
        }
    }
}

fn run_of(template: Job) -> Plan {
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
    Plan {
        root,
        subtasks,
        delay: Duration::ZERO,
        backoff,
        schedule_next: None,
    }
}
