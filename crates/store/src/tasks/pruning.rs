//! Ended jobs that a person has forgotten before their time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refusal::refusal;
use super::task_store::Tasks;
use crate::clock::millis;
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

/// Tasks that one step looks at: Redis serves nobody else meanwhile.
const STEP_TASKS: u64 = 2_000;

/// Which jobs.
#[derive(Debug, Clone, Copy)]
pub struct PruneScope {
    /// Those that ended longer ago.
    pub older_than: Duration,
    /// Also those that hold dead letters.
    pub dead_letters: bool,
    /// They are counted and stay.
    pub dry_run: bool,
}

/// What was forgotten, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Pruned {
    /// How many jobs.
    pub jobs: u64,
    /// How many tasks they had, themselves among them.
    pub tasks: u64,
    /// How many of those were dead letters.
    pub dead_letters: u64,
    /// There are more.
    pub has_more: bool,
}

#[derive(Serialize)]
struct PruneArgs {
    older_than_ms: u64,
    dead_letters: bool,
    dry_run: bool,
    max: u64,
}

impl Tasks {
    /// Forgets ended jobs, as many as one step takes, the oldest first.
    ///
    /// # Errors
    /// `RequestIdReused`, or as the store fails.
    pub async fn prune(
        &self,
        idempotency_key: &IdempotencyKey,
        scope: PruneScope,
    ) -> Result<Pruned, Error> {
        let args = PruneArgs {
            older_than_ms: millis(scope.older_than),
            dead_letters: scope.dead_letters,
            dry_run: scope.dry_run,
            max: STEP_TASKS,
        };
        let (script, request) = (&self.scripts.prune, Some(idempotency_key));
        let mut answer = self.runner.run_for(script, request, &args).await?;
        if answer.status() != "OK" {
            return Err(refusal(&mut answer, "")?);
        }
        let (_, pruned) = answer.decision()?;
        Ok(pruned)
    }
}
