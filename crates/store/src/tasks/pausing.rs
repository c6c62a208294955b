//! Pausing queues and letting them go on, for the workers of all programs: BullMQ's own pause, which every client sees.

use serde::{Deserialize, Serialize};

use super::refusal::refusal;
use super::task_store::Tasks;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

#[derive(Serialize)]
struct PauseArgs<'a> {
    queues: &'a [String],
    pauses: bool,
}

#[derive(Deserialize)]
struct PauseAnswer {
    changed: Vec<String>,
}

impl Tasks {
    /// Pauses queues, or lets them go on; returns those that were not so before. Tasks that run go on.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn set_paused(
        &self,
        idempotency_key: &IdempotencyKey,
        queues: &[String],
        pauses: bool,
    ) -> Result<Vec<String>, Error> {
        let args = PauseArgs { queues, pauses };
        let (script, request) = (&self.scripts.pause, Some(idempotency_key));
        let mut answer = self.runner.run_for(script, request, &args).await?;
        if answer.status() != "OK" {
            return Err(refusal(&mut answer, "")?);
        }
        let (_, PauseAnswer { changed }) = answer.decision()?;
        if !pauses {
            self.wakeup.notify();
        }
        Ok(changed)
    }
}
