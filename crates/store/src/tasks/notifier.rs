//! Messages to the submitters of jobs, each sent once. What finds a full inbox is owed until there is room.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shim_proto::coordination::v1::Task;

use super::notice;
use super::reader::{TaskReader, TextSelection};
use super::rows::Row;
use super::scripts::{ScriptRunner, script};
use crate::clock::millis;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;
use crate::inbox::Inboxes;
use crate::script::{Effect, Script};

/// How soon a message is sent again whose inbox was full.
pub(super) const OWED_RETRY: Duration = Duration::from_secs(2);

/// Sends the messages that decisions added to the outbox.
pub(super) struct Notifier {
    runner: ScriptRunner,
    owe: Script,
    reader: Arc<TaskReader>,
    inboxes: Arc<Inboxes>,
}

#[derive(Serialize)]
struct OweArgs<'a> {
    entries: &'a [String],
    retry_ms: u64,
}

impl Notifier {
    pub(super) fn new(
        runner: ScriptRunner,
        reader: Arc<TaskReader>,
        inboxes: Arc<Inboxes>,
    ) -> Self {
        Self {
            owe: script(Effect::Frees, include_str!("../lua/tasks/owe.lua")),
            runner,
            reader,
            inboxes,
        }
    }

    /// Notes entries whose inboxes were full, which the supervisor sends again. If that fails they stay in the outbox.
    pub(super) async fn owe(&self, entries: &[String]) {
        if entries.is_empty() {
            return;
        }
        let args = OweArgs {
            entries,
            retry_ms: millis(OWED_RETRY),
        };
        if let Err(error) = self.runner.run(&self.owe, &args).await {
            tracing::debug!(%error, "owed messages stay in the outbox");
        }
    }

    /// Sends the message of an entry `why id`. A task that was forgotten, or has no submitter, gets none.
    ///
    /// # Errors
    /// `InboxFull`, or as the store fails.
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
        let sent = self.inboxes.send_own(&idempotency_key, submitter, &message);
        sent.await
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
