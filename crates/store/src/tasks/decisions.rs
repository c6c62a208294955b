//! What people and supervisors decide on: calling off, taking up again, approving.

use shim_proto::coordination::v1::{Task, TaskState};

use super::super::reply::Reply;
use super::bullmq_sync::JobLocation;
use super::rows::Row;
use super::{IdempotencyKey, Tasks, refusal};
use crate::error::Error;

impl Tasks {
    /// Calls off a task with what hangs on it; tells how many tasks that were, 0 if it had ended.
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
        let call = self
            .idempotent_call(&self.scripts.cancel, idempotency_key)
            .arg(id)
            .arg(reason)
            .arg(message);
        let mut reply = self.run_transition(&call).await?;
        self.read_counted(&mut reply, id).await
    }

    /// Takes up again what failed or was called off; tells how many tasks that were.
    ///
    /// # Errors
    /// `TaskNotFound`, `TaskNotRetryable`, `RequestIdReused`, or as the store fails.
    pub async fn retry(
        &self,
        idempotency_key: &IdempotencyKey,
        id: &str,
    ) -> Result<(Task, u32), Error> {
        let call = self
            .idempotent_call(&self.scripts.retry, idempotency_key)
            .arg(id);
        let mut reply = self.run_transition(&call).await?;
        self.read_counted(&mut reply, id).await
    }

    async fn read_counted(&self, reply: &mut Reply, id: &str) -> Result<(Task, u32), Error> {
        match reply.status()?.as_str() {
            "OK" => {
                let entries = self.take_entries(reply)?;
                let count = reply.take()?;
                let row: Row = reply.take()?;
                let task = row.task()?;
                self.relay
                    .relay_loaded(entries, vec![row], JobLocation::Expected)
                    .await;
                Ok((task, count))
            }
            "NOT_OVER" => Err(Error::TaskNotRetryable {
                task: id.to_owned(),
                state: state_name(reply)?,
            }),
            other => Err(refusal(other, reply, id)?),
        }
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
        let call = self
            .idempotent_call(&self.scripts.approve, idempotency_key)
            .arg(id)
            .arg(u8::from(reject))
            .arg(why);
        let mut reply = self.run_transition(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let entries = self.take_entries(&mut reply)?;
                let row: Row = reply.take()?;
                let task = row.task()?;
                self.relay
                    .relay_loaded(entries, vec![row], JobLocation::Expected)
                    .await;
                Ok(task)
            }
            "NOT_WAITING" => Err(Error::TaskNotAwaitingApproval {
                task: id.to_owned(),
                state: state_name(&mut reply)?,
            }),
            other => Err(refusal(other, &mut reply, id)?),
        }
    }
}

/// The state as people call it.
fn state_name(reply: &mut Reply) -> Result<String, Error> {
    let state = TaskState::try_from(reply.take::<i32>()?).unwrap_or_default();
    let name = state.as_str_name().trim_start_matches("TASK_STATE_");
    Ok(name.to_lowercase().replace('_', " "))
}
