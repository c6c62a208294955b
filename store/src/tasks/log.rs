//! The log of a job: what happened to its tasks, in order, kept as long as the job.

use std::collections::HashMap;

use redis::cmd;
use shim_proto::coordination::v1::{TaskEvent, TaskEventKind};

use super::super::clock::timestamp;
use super::Tasks;
use crate::error::Error;

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
        let from = match after {
            "" => "-".to_owned(),
            after => format!("({after}"),
        };
        let range = cmd("XRANGE")
            .arg(self.slot.item("log", root_id))
            .arg(from)
            .arg("+")
            .arg("COUNT")
            .arg(count)
            .to_owned();
        let lines: Vec<(String, HashMap<String, String>)> = self.link.query(&range).await?;
        Ok(lines.into_iter().map(event).collect())
    }
}

fn event((cursor, mut fields): (String, HashMap<String, String>)) -> TaskEvent {
    let ms = cursor.split('-').next().and_then(|ms| ms.parse().ok());
    let kind = fields.get("k").and_then(|kind| kind.parse().ok());
    let progress = fields.get("p").and_then(|progress| progress.parse().ok());
    let mut text = |name: &str| fields.remove(name).unwrap_or_default();
    TaskEvent {
        at: ms.map(timestamp),
        task_id: text("t"),
        kind: kind.unwrap_or(i32::from(TaskEventKind::Unspecified)),
        worker_id: text("w"),
        progress: progress.unwrap_or_default(),
        detail: text("d"),
        cursor,
    }
}
