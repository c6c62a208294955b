//! Reports of a worker on the task it has, proven by the fencing token of its claim.

use prost::Message;
use serde::Serialize;
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::{Task, TaskError, TaskResult, TaskState, Usage};
use shim_proto::fitness::HoldCause;
use shim_proto::limits::task::{MAX_COST_USD, MAX_NOTE_BYTES, MAX_TOKENS};
use shim_runtime::ids::LeaseToken;

use super::metrics;
use super::refusal::{refusal, why_stale};
use super::scripts::ScriptAnswer;
use super::task_store::{ChangedTask, Tasks};
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

/// How far a task is.
#[derive(Debug, Clone, Default)]
pub struct ProgressReport {
    /// How much is done, 0..1.
    pub progress: f64,
    /// What its worker does now; empty to keep the last note.
    pub note: String,
    /// The last checkpoint saved for it; empty to keep the one before.
    pub checkpoint_id: String,
    /// What it cost since the last report.
    pub usage: Usage,
}

/// What an attempt cost, within what a task may cost. The cost is a text, which Redis adds exactly.
#[derive(Serialize)]
struct UsageArgs {
    input: u64,
    output: u64,
    cost: String,
    incomplete: bool,
}

impl From<&Usage> for UsageArgs {
    fn from(usage: &Usage) -> Self {
        Self {
            input: usage.input_tokens.min(MAX_TOKENS),
            output: usage.output_tokens.min(MAX_TOKENS),
            cost: match usage.cost_usd {
                cost if cost.is_nan() => "0".to_owned(),
                cost => cost.clamp(0.0, MAX_COST_USD).to_string(),
            },
            incomplete: usage.incomplete,
        }
    }
}

#[derive(Serialize)]
struct ReportArgs<'a> {
    id: &'a str,
    lease: String,
    progress: f64,
    note: &'a str,
    checkpoint: &'a str,
    usage: UsageArgs,
}

#[derive(Serialize)]
struct CompleteArgs<'a> {
    id: &'a str,
    lease: String,
    result: ByteBuf,
    remark: String,
    usage: UsageArgs,
}

#[derive(Serialize)]
struct FailArgs<'a> {
    id: &'a str,
    lease: String,
    reason: &'a str,
    message: &'a str,
    is_final: bool,
    usage: UsageArgs,
}

#[derive(Serialize)]
struct ReleaseArgs<'a> {
    id: &'a str,
    lease: String,
    why: &'a str,
    held: &'a str,
}

impl Tasks {
    /// Checks that a claim stands.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, or as the store fails.
    pub async fn confirm(&self, id: &str, lease: LeaseToken) -> Result<(), Error> {
        let read = redis::cmd("HMGET")
            .arg(self.runner.slot.item("task", id))
            .arg(&["state", "lease", "worker"])
            .to_owned();
        let stored: (Option<String>, Option<String>, Option<String>) =
            self.runner.connection.query(&read).await?;
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

    /// Records the progress of a task.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, or as the store fails.
    pub async fn report(
        &self,
        id: &str,
        lease: LeaseToken,
        report: &ProgressReport,
    ) -> Result<Task, Error> {
        let args = ReportArgs {
            id,
            lease: lease.to_string(),
            progress: report.progress.clamp(0.0, 1.0),
            note: &report.note,
            checkpoint: &report.checkpoint_id,
            usage: UsageArgs::from(&report.usage),
        };
        let answer = self.runner.run(&self.scripts.report, &args).await?;
        self.read_changed(answer, id, "")
    }

    /// Commits a task's result.
    ///
    /// # Errors
    /// `StaleLease`, `TaskNotFound`, `RequestIdReused`, or as the store fails.
    pub async fn complete(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: LeaseToken,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<Task, Error> {
        let args = CompleteArgs {
            id,
            lease: lease.to_string(),
            result: ByteBuf::from(result.encode_to_vec()),
            remark: remark_on(result),
            usage: UsageArgs::from(usage),
        };
        let (script, request) = (&self.scripts.complete, Some(idempotency_key));
        let answer = self.runner.run_for(script, request, &args).await?;
        self.read_changed(answer, id, &result.text)
    }

    /// Ends an attempt: the task is tried again after a pause if it may be, else it failed for good.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn fail(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: LeaseToken,
        error: &TaskError,
        is_final: bool,
        usage: &Usage,
    ) -> Result<Task, Error> {
        let args = FailArgs {
            id,
            lease: lease.to_string(),
            reason: &error.reason,
            message: &error.message,
            is_final,
            usage: UsageArgs::from(usage),
        };
        let (script, request) = (&self.scripts.fail, Some(idempotency_key));
        let answer = self.runner.run_for(script, request, &args).await?;
        self.read_changed(answer, id, "")
    }

    /// Makes the task ready again, untried.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn release(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: LeaseToken,
        why: &str,
    ) -> Result<Task, Error> {
        let why = if why.is_empty() {
            "its worker gave it back"
        } else {
            why
        };
        self.give_back(idempotency_key, id, lease, why, "").await
    }

    /// The same, because its worker can do no task now. The submitter of the job is told.
    ///
    /// # Errors
    /// As [`Tasks::complete`].
    pub async fn hold(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: LeaseToken,
        why: &str,
        cause: HoldCause,
    ) -> Result<Task, Error> {
        let held = match cause {
            HoldCause::Timed => "timed",
            HoldCause::Untimed => "untimed",
            HoldCause::Passing => "passing",
        };
        self.give_back(idempotency_key, id, lease, why, held).await
    }

    async fn give_back(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        lease: LeaseToken,
        why: &str,
        held: &str,
    ) -> Result<Task, Error> {
        let args = ReleaseArgs {
            id,
            lease: lease.to_string(),
            why,
            held,
        };
        let (script, request) = (&self.scripts.release, Some(idempotency_key));
        let answer = self.runner.run_for(script, request, &args).await?;
        self.read_changed(answer, id, "")
    }

    /// Reads the task after a decision, and relays what that left to do in the background.
    fn read_changed(
        &self,
        mut answer: ScriptAnswer,
        id: &str,
        result: &str,
    ) -> Result<Task, Error> {
        if answer.status() != "OK" {
            return Err(refusal(&mut answer, id)?);
        }
        let is_repeated = answer.is_repeated();
        let (entries, changed) = answer.decision::<ChangedTask>()?;
        let task = changed.task.task()?;
        let is_done = matches!(
            task.state(),
            TaskState::Completed | TaskState::AwaitingApproval
        );
        if is_done && !is_repeated {
            metrics::record_duration(&self.kinds, &task, &entries);
        }
        self.relay.taken_jobs.note_result(id, result);
        self.relay.relay_in_background(entries, vec![changed.task]);
        Ok(task)
    }
}

/// What the log says of a result beside its end: what was not permitted, and what contradicts it.
fn remark_on(result: &TaskResult) -> String {
    let mut parts = result.remarks.clone();
    if !result.denials.is_empty() {
        parts.insert(0, format!("not permitted: {}", result.denials.join(", ")));
    }
    let mut remark = parts.join("; ");
    remark.truncate(remark.floor_char_boundary(MAX_NOTE_BYTES));
    remark
}
