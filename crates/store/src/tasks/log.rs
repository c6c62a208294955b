//! The log of a job: what happened to its tasks, in order, kept as long as the job.

use shim_proto::coordination::v1::{TaskEvent, TaskEventKind};

use super::super::clock::timestamp;
use super::Tasks;
use crate::error::Error;

/// A line as the script tells it: its place, when, kind, task, worker, progress, detail.
type LogLine = (u64, i64, i32, String, String, f64, String);

impl Tasks {
    /// What happened in a job after a cursor, or from the beginning if that is empty; at most `count` lines. A job that
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
        let sequence = after.split_once('-').map_or("0", |(_, sequence)| sequence);
        let call = self
            .call(&self.scripts.events)
            .arg(root_id)
            .arg(sequence)
            .arg(count);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        self.take_entries(&mut reply)?;
        Ok(reply.rest::<LogLine>()?.into_iter().map(event).collect())
    }
}

/// A cursor is when, for people, and the place.
fn event((sequence, at, kind, task_id, worker_id, progress, detail): LogLine) -> TaskEvent {
    TaskEvent {
        cursor: format!("{at}-{sequence}"),
        at: Some(timestamp(at)),
        task_id,
        kind: TaskEventKind::try_from(kind).unwrap_or_default().into(),
        worker_id,
        progress,
        detail,
    }
}
