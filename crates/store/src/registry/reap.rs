//! The reaper's step: silent workers die, and workers that went long ago are forgotten.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::membership::GONE_TTL;
use super::model::{ReapResult, SWEEP, stall};
use super::store::{Registry, SharedArgs};
use crate::clock::millis;
use crate::error::Error;
use crate::fence::{Fence, token_of};
use crate::idempotency;
use crate::metrics;

/// Workers that went and are remembered, however many come and go.
const MAX_GONE: usize = 10_000;

#[derive(Serialize)]
struct ReapArgs<'a> {
    fence_token: Option<String>,
    dead_after_ms: u64,
    stall_ms: u64,
    most: usize,
    keep_gone_ms: u64,
    max_gone: usize,
    #[serde(flatten)]
    shared: SharedArgs<'a>,
}

#[derive(Deserialize)]
struct ReapFields {
    died: usize,
    forgotten: usize,
    delays_ms: Vec<u64>,
}

impl Registry {
    /// One step of the reaper, which holds the lock of the fence: at most [`SWEEP`] workers that are due die, unless no
    /// worker could be heard for longer than [`stall`].
    ///
    /// # Errors
    /// `StaleFence` if the lock is not held any more, or as the store fails.
    pub async fn reap(&self, fence: &Fence, dead_after: Duration) -> Result<ReapResult, Error> {
        let call = self
            .changing(&self.reap)
            .key(self.silence_key())
            .key(self.slot.lock(&fence.lock))
            .args(&ReapArgs {
                fence_token: token_of(Some(fence)),
                dead_after_ms: millis(dead_after),
                stall_ms: millis(stall(dead_after)),
                most: SWEEP,
                keep_gone_ms: millis(GONE_TTL),
                max_gone: MAX_GONE,
                shared: self.shared_args(),
            });
        let mut reply = self.connection.call(&call).await?;
        let swept: ReapFields =
            reply.accept(|status, reply| idempotency::refusal(status, reply, Some(fence)))?;
        for delay_ms in swept.delays_ms {
            metrics::record_worker_death(Duration::from_millis(delay_ms));
        }
        Ok(ReapResult {
            died: swept.died,
            forgotten: swept.forgotten,
        })
    }
}
