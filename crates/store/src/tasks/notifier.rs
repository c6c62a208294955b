//! Messages to the submitters of jobs, each sent once.

use std::sync::Arc;

use shim_proto::coordination::v1::Task;

use super::notice;
use super::reader::{TaskReader, TextSelection};
use super::rows::Row;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;
use crate::inbox::Inboxes;

/// Sends the messages that decisions added to the outbox.
pub(super) struct Notifier {
    pub(super) reader: Arc<TaskReader>,
    pub(super) inboxes: Arc<Inboxes>,
}

impl Notifier {
    /// Sends the message of an entry `why id`. A task that was forgotten, or has no submitter, gets none.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn send(&self, entry: &str) -> Result<(), Error> {
        let Some((why, id)) = entry.split_once(' ') else {
            return Ok(());
        };
        let Some(task) = self.task(id).await? else {
            return Ok(());
        };
        // A submitter that is none has no inbox.
        let Ok(submitter) = self.submitter(&task).await?.parse() else {
            return Ok(());
        };
        let idempotency_key = IdempotencyKey {
            // A notice is sent once; the next run of a task that was retried has another time.
            request_id: format!("task-{why}-{id}-{}", notice::notice_time_ms(&task)),
            fingerprint: String::new(),
        };
        let message = notice::message(why, &task);
        let sent = self.inboxes.send(&idempotency_key, submitter, &message);
        match sent.await {
            // A full inbox is not read: the job's own record says the same.
            Ok(()) | Err(Error::InboxFull(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The submitter of a task's job; empty if it has none.
    async fn submitter(&self, task: &Task) -> Result<String, Error> {
        if task.task_id == task.root_id {
            return Ok(task.submitted_by.clone());
        }
        let root = self.task(&task.root_id).await?;
        Ok(root.map(|root| root.submitted_by).unwrap_or_default())
    }

    async fn task(&self, id: &str) -> Result<Option<Task>, Error> {
        let row = self.reader.row(TextSelection::Errors, id).await?;
        row.as_ref().map(Row::task).transpose()
    }
}
