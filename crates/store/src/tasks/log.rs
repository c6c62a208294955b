//! The log of a job: what happened to its tasks, in order, kept as long as the job.

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::{TaskEvent, TaskEventKind};

use super::task_store::Tasks;
use crate::clock::timestamp;
use crate::error::Error;

#[derive(Serialize)]
struct EventsArgs<'a> {
    root: &'a str,
    after: u64,
    max: usize,
}

#[derive(Deserialize)]
struct EventsAnswer {
    lines: Vec<LogLine>,
}

#[derive(Deserialize)]
struct LogLine {
    position: u64,
    at_ms: i64,
    kind: i32,
    task: String,
    worker: String,
    progress: f64,
    detail: String,
}

impl Tasks {
    /// What happened in a job after a cursor, or from the beginning if that is empty; at most `count` events. A job that
    /// was forgotten has none.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn events(
        &self,
        root_id: &str,
        after: &str,
        count: usize,
    ) -> Result<Vec<TaskEvent>, Error> {
        let position = after.split_once('-').map(|(_, position)| position);
        let args = EventsArgs {
            root: root_id,
            after: position.and_then(|at| at.parse().ok()).unwrap_or(0),
            max: count,
        };
        let answer = self.runner.run(&self.scripts.events, &args).await?;
        let (_, read) = answer.unrefused::<EventsAnswer>()?;
        Ok(read.lines.into_iter().map(event).collect())
    }
}

/// A cursor holds the time, for people, and the position.
fn event(line: LogLine) -> TaskEvent {
    TaskEvent {
        cursor: format!("{}-{}", line.at_ms, line.position),
        at: Some(timestamp(line.at_ms)),
        task_id: line.task,
        kind: TaskEventKind::try_from(line.kind)
            .unwrap_or_default()
            .into(),
        worker_id: line.worker,
        progress: line.progress,
        detail: line.detail,
    }
}
