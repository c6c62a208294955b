//! Decisions of people and supervisors: cancelling, retrying, approving.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::Task;

use super::outbox_entries::OutboxEntries;
use super::outbox_relay::JobLocation;
use super::refusal::refusal;
use super::rows::Row;
use super::scripts::ScriptAnswer;
use super::task_store::{ChangedTask, Tasks};
use crate::clock::moment_ms;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

#[derive(Serialize)]
struct CancelArgs<'a> {
    id: &'a str,
    reason: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct RetryArgs<'a> {
    id: &'a str,
    /// Of a schedule: when its next run is due.
    next_run_ms: Option<u64>,
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
    /// `TaskNotFound`, `TaskNotRetryable`, `RequestIdReused`, or as the store fails.
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
        let args = RetryArgs { id, next_run_ms };
        let answer = self.runner.run_for(script, request, &args).await?;
        self.read_counted(answer, id).await
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
