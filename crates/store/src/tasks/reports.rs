//! Reports: what a worker says of the task it has, proven by the fencing token of its claim.

use prost::Message;
use shim_proto::coordination::v1::{Task, TaskError, TaskResult, TaskState, Usage};

use super::super::reply::Reply;
use super::rows::Row;
use super::{IdempotencyKey, Tasks, metrics, refusal, why_stale};
use crate::error::Error;

/// How far a task is.
#[derive(Debug, Clone, Default)]
pub struct ProgressReport {
    /// How much is done, 0..1.
    pub progress: f64,
    /// What its worker does now; empty for as before.
    pub note: String,
    /// The last checkpoint saved for it; empty for as before.
    pub checkpoint_id: String,
    /// What it cost since the last report.
    pub usage: Usage,
}

impl Tasks {
    /// Asks whether a claim stands.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, or as the store fails.
    pub async fn confirm(&self, id: &str, lease: u64) -> Result<(), Error> {
        let read = redis::cmd("HMGET")
            .arg(self.slot.item("task", id))
            .arg(&["state", "lease", "worker"])
            .to_owned();
        let stored: (Option<String>, Option<String>, Option<String>) =
            self.connection.query(&read).await?;
        let (Some(state), current_lease, worker) = stored else {
            return Err(Error::TaskNotFound(id.to_owned()));
        };
        let is_running = state == i32::from(TaskState::Running).to_string();
        if is_running && current_lease == Some(lease.to_string()) {
            return Ok(());
        }
        Err(Error::StaleLease {
            task: id.to_owned(),
            why: why_stale(&state, &worker.unwrap_or_default()),
        })
    }

    /// Notes how far a task is.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, or as the store fails.
    pub async fn report(
        &self,
        id: &str,
        lease: u64,
        report: &ProgressReport,
    ) -> Result<Task, Error> {
        let call = self
            .call(&self.scripts.report)
            .arg(id)
            .arg(lease)
            .arg(report.progress.clamp(0.0, 1.0))
            .arg(report.note.as_str())
            .arg(report.checkpoint_id.as_str())
            .arg(report.usage.input_tokens)
            .arg(report.usage.output_tokens)
            .arg(report.usage.cost_usd);
        let reply = self.connection.call(&call).await?;
        self.read_changed(reply, id, "").await
    }

    /// Commits a task's result.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, `RequestIdReused`, or as the store fails.
    pub async fn complete(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: u64,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<Task, Error> {
        let call = self
            .idempotent_call(&self.scripts.complete, idempotency_key)
            .arg(id)
            .arg(lease)
            .arg(result.encode_to_vec())
            .arg(usage.input_tokens)
            .arg(usage.output_tokens)
            .arg(usage.cost_usd);
        let reply = self.run_transition(&call).await?;
        self.read_changed(reply, id, &result.text).await
    }

    /// Ends an attempt: the task is tried again after a pause if it may be, else it failed for good.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn fail(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: u64,
        error: &TaskError,
        is_final: bool,
        usage: &Usage,
    ) -> Result<Task, Error> {
        let call = self
            .idempotent_call(&self.scripts.fail, idempotency_key)
            .arg(id)
            .arg(lease)
            .arg(error.reason.as_str())
            .arg(error.message.as_str())
            .arg(u8::from(is_final))
            .arg(usage.input_tokens)
            .arg(usage.output_tokens)
            .arg(usage.cost_usd);
        let reply = self.run_transition(&call).await?;
        self.read_changed(reply, id, "").await
    }

    /// Gives a task back untried.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn release(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: u64,
        why: &str,
    ) -> Result<Task, Error> {
        let call = self
            .idempotent_call(&self.scripts.release, idempotency_key)
            .arg(id)
            .arg(lease)
            .arg(if why.is_empty() {
                "its worker gave it back"
            } else {
                why
            });
        let reply = self.run_transition(&call).await?;
        self.read_changed(reply, id, "").await
    }

    /// Reads the task after a decision, and lets the carrier go on with what that left to do.
    async fn read_changed(&self, mut reply: Reply, id: &str, result: &str) -> Result<Task, Error> {
        match reply.status()?.as_str() {
            "OK" => {
                let entries = self.take_entries(&mut reply)?;
                let row: Row = reply.take()?;
                let task = row.task()?;
                let is_done = matches!(
                    task.state(),
                    TaskState::Completed | TaskState::AwaitingApproval
                );
                if is_done && !reply.is_repeated() {
                    metrics::record_duration(&self.kinds, &task, &entries);
                }
                self.relay.note_result(id, result);
                self.relay.relay_in_background(entries, vec![row]);
                Ok(task)
            }
            other => Err(refusal(other, &mut reply, id)?),
        }
    }
}
