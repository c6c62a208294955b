//! Holding a lock: renewing it and giving it back, both with the token that it was acquired with.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::Lock;
use shim_runtime::ids::FencingToken;

use super::model::{LockOwnership, LockRef, RELEASED};
use super::rows::HeldFields;
use super::store::{DEADLINES, Locks, NAMES};
use crate::clock::millis;
use crate::error::Error;
use crate::idempotency::{self, HolderFields, IdempotencyKey, REQUEST_ID_TTL};
use crate::metrics::{self, StaleWriteKind};
use crate::pubsub::open_envelope;
use crate::reply::Reply;
use crate::script_values::as_text;

#[derive(Serialize)]
struct RenewArgs<'a> {
    name: &'a str,
    owner: &'a str,
    #[serde(with = "as_text")]
    token: FencingToken,
    ttl_ms: u64,
}

#[derive(Deserialize)]
struct RenewedFields {
    redlock_value: String,
    #[serde(flatten)]
    held: HeldFields,
}

#[derive(Serialize)]
struct ReleaseArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    name: &'a str,
    owner: &'a str,
    #[serde(with = "as_text")]
    token: FencingToken,
    channel: String,
    envelope: String,
}

#[derive(Deserialize)]
struct ReleasedFields {
    was_held: bool,
    #[serde(default)]
    redlock_value: String,
}

impl Locks {
    /// Holds a lock for `ttl` from now on.
    ///
    /// # Errors
    /// `LockLost` if the owner does not hold it with the token any more; `LockUndecided` if too few lock nodes agree; or as
    /// the store fails.
    pub async fn renew(
        &self,
        lock_ref: &LockRef,
        ownership: &LockOwnership,
        ttl: Duration,
    ) -> Result<Lock, Error> {
        let call = self
            .renew
            .call()
            .key(lock_ref.slot.lock(&lock_ref.name))
            .key(lock_ref.slot.key(DEADLINES))
            .args(&RenewArgs {
                name: &lock_ref.name,
                owner: &ownership.owner,
                token: ownership.token,
                ttl_ms: millis(ttl),
            });
        let mut reply = self.connection.call(&call).await?;
        let renewed: RenewedFields =
            reply.accept(|status, reply| refusal(status, reply, lock_ref, ownership))?;
        let (key, value) = (lock_ref.redlock_key(), &renewed.redlock_value);
        if self.redlock.is_used() && !self.redlock.hold(&key, value, ttl).await {
            return Err(Error::LockUndecided(lock_ref.name.clone()));
        }
        Ok(renewed.held.lock(lock_ref))
    }

    /// Gives a lock back; returns whether it was held with the token until now.
    ///
    /// # Errors
    /// `LockLost` if another owner holds it with the token, `RequestIdReused`, or as the store fails.
    pub async fn release(
        self: &Arc<Self>,
        idempotency_key: &IdempotencyKey,
        lock_ref: &LockRef,
        ownership: &LockOwnership,
    ) -> Result<bool, Error> {
        let call = self
            .release
            .call()
            .key(lock_ref.slot.lock(&lock_ref.name))
            .key(lock_ref.slot.key(NAMES))
            .key(lock_ref.slot.key(DEADLINES))
            .key(lock_ref.slot.request_key(&idempotency_key.request_id))
            .key(lock_ref.released_key())
            .args(&self.release_args(idempotency_key, lock_ref, ownership));
        let mut reply = self.connection.call(&call).await?;
        let released: ReleasedFields =
            reply.accept(|status, reply| refusal(status, reply, lock_ref, ownership))?;
        if self.redlock.is_used() && released.was_held {
            let (locks, key, value) =
                (self.clone(), lock_ref.redlock_key(), released.redlock_value);
            let dropping = tokio::spawn(async move { locks.redlock.drop(&key, &value).await });
            // It goes on if the caller hangs up; after a failure the next caller gives the nodes back.
            let _ = dropping.await;
        }
        Ok(released.was_held)
    }

    fn release_args<'a>(
        &self,
        idempotency_key: &'a IdempotencyKey,
        lock_ref: &'a LockRef,
        ownership: &'a LockOwnership,
    ) -> ReleaseArgs<'a> {
        let publication = [
            ("namespace", lock_ref.namespace.as_str()),
            ("name", lock_ref.name.as_str()),
        ];
        ReleaseArgs {
            fingerprint: &idempotency_key.fingerprint,
            keep_ms: millis(REQUEST_ID_TTL),
            name: &lock_ref.name,
            owner: &ownership.owner,
            token: ownership.token,
            channel: self.keys.channel(RELEASED),
            envelope: open_envelope(&ownership.owner, &publication, "fencing_token"),
        }
    }
}

/// The error of a refused renewal or release; counts a lost lock.
fn refusal(
    status: &str,
    reply: &mut Reply,
    lock_ref: &LockRef,
    ownership: &LockOwnership,
) -> Result<Error, Error> {
    if status != "LOST" {
        return idempotency::refusal(status, reply, None);
    }
    if lock_ref.is_shared() {
        metrics::count_stale_write(StaleWriteKind::Lock);
    }
    Ok(Error::LockLost {
        name: lock_ref.name.clone(),
        token: ownership.token.0,
        holder: reply.fields::<HolderFields>()?.describe(),
    })
}
