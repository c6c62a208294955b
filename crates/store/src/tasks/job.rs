//! A job: a task that was submitted, with the subtasks it was split into.

use std::time::Duration;

use shim_proto::coordination::v1::Task;

use super::rows::Row;
use crate::error::Error;

/// A job: its root and its subtasks, in their order.
#[derive(Debug, Clone)]
pub struct Job {
    /// The root.
    pub root: Task,
    /// Its subtasks.
    pub subtasks: Vec<Task>,
    /// The pause after the first failure of a task.
    pub backoff: Duration,
}

impl Job {
    /// The job of a root and its subtasks after it; `None` if there are no rows.
    ///
    /// # Errors
    /// `Defect` if a record is damaged.
    pub(super) fn from_rows(rows: &[Row]) -> Result<Option<Self>, Error> {
        let Some((root, subtasks)) = rows.split_first() else {
            return Ok(None);
        };
        Ok(Some(Self {
            backoff: Duration::from_millis(root.record.backoff_ms),
            root: root.task()?,
            subtasks: subtasks.iter().map(Row::task).collect::<Result<_, _>>()?,
        }))
    }
}
