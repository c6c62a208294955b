//! What people and supervisors decide on: calling off, taking up again, approving.

use shim_proto::coordination::v1::{Task, TaskState};

use super::super::reply::Reply;
use super::mirror::Sight;
use super::rows::Row;
use super::{Once, Tasks, refusal};
use crate::error::Error;

impl Tasks {
    /// Calls off a task with what hangs on it; tells how many tasks that were, 0 if it had ended.
    ///
    /// # Errors
    /// `TaskNotFound`, `RequestIdReused`, or as the store fails.
    pub async fn cancel(&self, once: &Once, id: &str, why: &str) -> Result<(Task, u32), Error> {
        let message = if why.is_empty() {
            "it was called off"
        } else {
            why
        };
        self.call_off(once, id, "CANCELLED", message).await
    }

    /// Ends a job whose deadline passed.
    ///
    /// # Errors
    /// As [`Tasks::cancel`].
    pub async fn expire(&self, once: &Once, id: &str) -> Result<(Task, u32), Error> {
        self.call_off(once, id, "DEADLINE_EXCEEDED", "its deadline passed")
            .await
    }

    async fn call_off(
        &self,
        once: &Once,
        id: &str,
        reason: &str,
        message: &str,
    ) -> Result<(Task, u32), Error> {
        let call = self
            .call_once(&self.scripts.cancel, once)
            .arg(id)
            .arg(reason)
            .arg(message);
        let mut reply = self.decide(&call).await?;
        self.counted(&mut reply, id).await
    }

    /// Takes up again what failed or was called off; tells how many tasks that were.
    ///
    /// # Errors
    /// `TaskNotFound`, `TaskNotRetryable`, `RequestIdReused`, or as the store fails.
    pub async fn retry(&self, once: &Once, id: &str) -> Result<(Task, u32), Error> {
        let call = self.call_once(&self.scripts.retry, once).arg(id);
        let mut reply = self.decide(&call).await?;
        self.counted(&mut reply, id).await
    }

    async fn counted(&self, reply: &mut Reply, id: &str) -> Result<(Task, u32), Error> {
        match reply.status()?.as_str() {
            "OK" => {
                let owed = self.decided(reply)?;
                let count = reply.take()?;
                let row: Row = reply.take()?;
                let task = row.task()?;
                self.carrier
                    .carry_known(owed, vec![row], Sight::Expected)
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
        once: &Once,
        id: &str,
        reject: bool,
        why: &str,
    ) -> Result<Task, Error> {
        let call = self
            .call_once(&self.scripts.approve, once)
            .arg(id)
            .arg(u8::from(reject))
            .arg(why);
        let mut reply = self.decide(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let owed = self.decided(&mut reply)?;
                let row: Row = reply.take()?;
                let task = row.task()?;
                self.carrier
                    .carry_known(owed, vec![row], Sight::Expected)
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
