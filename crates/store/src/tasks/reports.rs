//! Reports: what a worker says of the task it has, proven by the fencing token of its claim.

use prost::Message;
use shim_proto::coordination::v1::{Task, TaskError, TaskResult, TaskState, Usage};

use super::super::reply::Reply;
use super::rows::Row;
use super::{Once, Tasks, refusal, tally, why_stale};
use crate::error::Error;

/// How far a task is.
#[derive(Debug, Clone, Default)]
pub struct Report {
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
        let look = redis::cmd("HMGET")
            .arg(self.slot.item("task", id))
            .arg(&["state", "lease", "worker"])
            .to_owned();
        let seen: (Option<String>, Option<String>, Option<String>) = self.link.query(&look).await?;
        let (Some(state), held, worker) = seen else {
            return Err(Error::TaskNotFound(id.to_owned()));
        };
        let is_running = state == i32::from(TaskState::Running).to_string();
        if is_running && held == Some(lease.to_string()) {
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
    pub async fn report(&self, id: &str, lease: u64, report: &Report) -> Result<Task, Error> {
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
        let reply = self.link.call(&call).await?;
        self.changed(reply, id, "").await
    }

    /// Commits a task's result.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, `RequestIdReused`, or as the store fails.
    pub async fn complete(
        &self,
        once: &Once,
        id: &str,
        lease: u64,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<Task, Error> {
        let call = self
            .call_once(&self.scripts.complete, once)
            .arg(id)
            .arg(lease)
            .arg(result.encode_to_vec())
            .arg(usage.input_tokens)
            .arg(usage.output_tokens)
            .arg(usage.cost_usd);
        let reply = self.decide(&call).await?;
        self.changed(reply, id, &result.text).await
    }

    /// Ends an attempt: the task is tried again after a pause if it may be, else it failed for good.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn fail(
        &self,
        once: &Once,
        id: &str,
        lease: u64,
        error: &TaskError,
        is_final: bool,
        usage: &Usage,
    ) -> Result<Task, Error> {
        let call = self
            .call_once(&self.scripts.fail, once)
            .arg(id)
            .arg(lease)
            .arg(error.reason.as_str())
            .arg(error.message.as_str())
            .arg(u8::from(is_final))
            .arg(usage.input_tokens)
            .arg(usage.output_tokens)
            .arg(usage.cost_usd);
        let reply = self.decide(&call).await?;
        self.changed(reply, id, "").await
    }

    /// Gives a task back untried.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn release(
        &self,
        once: &Once,
        id: &str,
        lease: u64,
        why: &str,
    ) -> Result<Task, Error> {
        let call = self
            .call_once(&self.scripts.release, once)
            .arg(id)
            .arg(lease)
            .arg(if why.is_empty() {
                "its worker gave it back"
            } else {
                why
            });
        let reply = self.decide(&call).await?;
        self.changed(reply, id, "").await
    }

    /// Reads the task after a decision, and lets the carrier go on with what that left to do.
    async fn changed(&self, mut reply: Reply, id: &str, result: &str) -> Result<Task, Error> {
        match reply.status()?.as_str() {
            "OK" => {
                let owed = self.decided(&mut reply)?;
                let row: Row = reply.take()?;
                let task = row.task()?;
                let is_done = matches!(
                    task.state(),
                    TaskState::Completed | TaskState::AwaitingApproval
                );
                if is_done && !reply.is_repeated() {
                    tally::took(&self.kinds, &task, &owed);
                }
                self.carrier.note_result(id, result);
                self.carrier.carry_soon(owed, vec![row]);
                Ok(task)
            }
            other => Err(refusal(other, &mut reply, id)?),
        }
    }
}
