//! Decisions of people and supervisors: cancelling, retrying, approving.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::{Task, TaskState};
use shim_proto::limits::task::MAX_QUEUES;

use super::outbox_entries::OutboxEntries;
use super::outbox_relay::JobLocation;
use super::reader::TextSelection;
use super::refusal::{refusal, state_name, task_state};
use super::rows::Row;
use super::scripts::ScriptAnswer;
use super::task_store::{ChangedTask, Tasks};
use crate::clock::moment_ms;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

/// Subtasks that a refusal to retry their job names.
const MAX_NAMED_PARTS: usize = 5;

#[derive(Serialize)]
struct CancelArgs<'a> {
    id: &'a str,
    reason: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct RetryArgs<'a> {
    id: &'a str,
    max_named: usize,
    max_queues: usize,
    /// Of a schedule: when its next run is due.
    next_run_ms: Option<u64>,
}

/// Why a task cannot be retried, and which of its subtasks can.
#[derive(Deserialize)]
struct NotOverFields {
    state: String,
    lost: Vec<String>,
    lost_count: usize,
}

#[derive(Serialize)]
struct ApproveArgs<'a> {
    id: &'a str,
    reject: bool,
    why: &'a str,
}

/// The task after a decision, and how many tasks that decision changed.
#[derive(Deserialize)]
struct CountedAnswer {
    count: u32,
    task: Row,
}

impl Tasks {
    /// Cancels a task: a job with its subtasks, a subtask with the tasks that wait for it, and the jobs that were submitted
    /// on its behalf, also if it had ended. Returns how many tasks were cancelled; of very many, the sweep cancels the rest.
    ///
    /// # Errors
    /// `TaskNotFound`, `RequestIdReused`, or as the store fails.
    pub async fn cancel(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        why: &str,
    ) -> Result<(Task, u32), Error> {
        let message = if why.is_empty() {
            "it was called off"
        } else {
            why
        };
        self.cancel_with(idempotency_key, id, "CANCELLED", message)
            .await
    }

    /// Ends a job whose deadline passed.
    ///
    /// # Errors
    /// As [`Tasks::cancel`].
    pub async fn expire(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
    ) -> Result<(Task, u32), Error> {
        self.cancel_with(
            idempotency_key,
            id,
            "DEADLINE_EXCEEDED",
            "its deadline passed",
        )
        .await
    }

    async fn cancel_with(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        reason: &str,
        message: &str,
    ) -> Result<(Task, u32), Error> {
        let args = CancelArgs {
            id,
            reason,
            message,
        };
        let (script, request) = (&self.scripts.cancel, Some(idempotency_key));
        let answer = self.runner.run_for(script, request, &args).await?;
        self.read_counted(answer, id).await
    }

    /// Retries what failed or was cancelled; returns how many tasks are retried.
    ///
    /// # Errors
    /// `TaskNotFound`, `TaskNotRetryable`, `PartsRetryable`, `TaskCompleted`, `TaskJobGone`, `TooManyQueues`,
    /// `RequestIdReused`, or as the store fails.
    pub async fn retry(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
    ) -> Result<(Task, u32), Error> {
        self.retry_with(idempotency_key, id, None).await
    }

    /// Lets a schedule that was called off go on with the run that is due then; returns how many tasks it has.
    ///
    /// # Errors
    /// As [`Tasks::retry`].
    pub async fn resume_schedule(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        next_run: SystemTime,
    ) -> Result<(Task, u32), Error> {
        let next_run_ms = Some(moment_ms(next_run));
        self.retry_with(idempotency_key, id, next_run_ms).await
    }

    async fn retry_with(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        next_run_ms: Option<u64>,
    ) -> Result<(Task, u32), Error> {
        let (script, request) = (&self.scripts.retry, Some(idempotency_key));
        let args = RetryArgs {
            id,
            max_named: MAX_NAMED_PARTS,
            max_queues: MAX_QUEUES,
            next_run_ms,
        };
        let mut answer = self.runner.run_for(script, request, &args).await?;
        if answer.status() == "NOT_OVER" {
            return Err(self.not_over(answer.fields()?, id).await?);
        }
        self.read_counted(answer, id).await
    }

    /// The refusal to retry a task that neither failed nor was cancelled.
    async fn not_over(&self, found: NotOverFields, id: &str) -> Result<Error, Error> {
        let task = id.to_owned();
        if task_state(&found.state) == TaskState::Completed {
            return Ok(Error::TaskCompleted(task));
        }
        let state = state_name(&found.state);
        if found.lost.is_empty() {
            return Ok(Error::TaskNotRetryable { task, state });
        }
        let lost: Vec<&str> = found.lost.iter().map(String::as_str).collect();
        let rows = self.reader.rows(TextSelection::None, &lost).await?;
        let named = rows.iter().map(|row| {
            let part = row.task()?;
            Ok(format!("{} ({})", part.key, part.task_id))
        });
        let mut parts = named.collect::<Result<Vec<_>, Error>>()?.join(", ");
        if found.lost_count > lost.len() {
            parts.push_str(&format!(" and {} more", found.lost_count - lost.len()));
        }
        Ok(Error::PartsRetryable { task, state, parts })
    }

    async fn read_counted(&self, mut answer: ScriptAnswer, id: &str) -> Result<(Task, u32), Error> {
        if answer.status() != "OK" {
            return Err(refusal(&mut answer, id)?);
        }
        let (entries, counted) = answer.decision::<CountedAnswer>()?;
        let task = self.relay_changed(entries, counted.task).await?;
        Ok((task, counted.count))
    }

    /// Relays what a decision on a task left; returns the task.
    async fn relay_changed(&self, entries: OutboxEntries, row: Row) -> Result<Task, Error> {
        let task = row.task()?;
        self.relay
            .relay_loaded(entries, vec![row], JobLocation::Expected)
            .await;
        Ok(task)
    }

    /// Decides at the gate where a task waits.
    ///
    /// # Errors
    /// `TaskNotFound`, `TaskNotAwaitingApproval`, `RequestIdReused`, or as the store fails.
    pub async fn approve(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
        reject: bool,
        why: &str,
    ) -> Result<Task, Error> {
        let (script, request) = (&self.scripts.approve, Some(idempotency_key));
        let args = ApproveArgs { id, reject, why };
        let mut answer = self.runner.run_for(script, request, &args).await?;
        if answer.status() != "OK" {
            return Err(refusal(&mut answer, id)?);
        }
        let (entries, changed) = answer.decision::<ChangedTask>()?;
        self.relay_changed(entries, changed.task).await
    }
}
