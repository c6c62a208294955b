//! Acquiring a lock: the record alone, or a majority of the lock nodes first and the record then.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::Lock;
use shim_proto::limits::coordination::MAX_NAMESPACE_LOCKS;

use super::list::HolderStatus;
use super::model::{AcquireRequest, LockRef};
use super::rows::GrantedFields;
use super::store::{DEADLINES, Locks, NAMES, count};
use crate::clock::millis;
use crate::connection::with_operation_timeout;
use crate::error::Error;
use crate::idempotency::{self, REQUEST_ID_TTL};
use crate::metrics::AcquireResult;
use crate::reply::Reply;

/// Tries for a majority of the lock nodes while the lock is free: another caller may be trying too.
const TRIES: usize = 3;
/// Lock nodes are first taken for this long: if the taker dies before the record is made, no caller waits longer.
const INITIAL_NODE_TTL: Duration = Duration::from_secs(3);

#[derive(Serialize)]
struct GrantArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    name: &'a str,
    owner: &'a str,
    purpose: &'a str,
    redlock_value: &'a str,
    ttl_ms: u64,
    max_locks: usize,
}

#[derive(Deserialize)]
struct TooManyFields {
    held: u64,
}

#[derive(Deserialize)]
struct RefusedFields {
    owner: String,
    purpose: String,
    left_ms: u64,
}

impl Locks {
    /// Acquires a lock that is free now.
    ///
    /// # Errors
    /// `LockHeld` if another request holds it, `LockUndecided` if too few lock nodes agree, `TooManyLocks`,
    /// `RequestIdReused`, or as the store fails.
    pub async fn acquire(self: &Arc<Self>, request: &AcquireRequest) -> Result<Lock, Error> {
        if !self.redlock.is_used() {
            return self.grant(request, "").await;
        }
        // In a task of its own: a caller that hangs up must not leave the nodes taken and the record unmade.
        let (locks, request) = (self.clone(), request.clone());
        let acquiring = tokio::spawn(async move { locks.acquire_over_nodes(&request).await });
        with_operation_timeout(async { acquiring.await.map_err(|_| Error::Stopping)? }).await
    }

    async fn acquire_over_nodes(&self, request: &AcquireRequest) -> Result<Lock, Error> {
        let key = request.lock_ref.redlock_key();
        // The same for the same request, so a repeated request goes on where a lost one ended.
        let value = format!(
            "{}/{}",
            request.idempotency_key.fingerprint, request.idempotency_key.request_id
        );
        for _ in 0..TRIES {
            match self.find_holder(request).await? {
                HolderStatus::Done(lock) => return Ok(lock),
                HolderStatus::Held(holder, left_ms) => {
                    let (owner, purpose) = (holder.owner, holder.purpose);
                    return Err(lock_held(&request.lock_ref, owner, purpose, left_ms));
                }
                HolderStatus::Free(Some(released)) => self.redlock.drop(&key, &released).await,
                HolderStatus::Free(None) => {}
            }
            let ttl = request.ttl.min(INITIAL_NODE_TTL);
            if self.redlock.hold(&key, &value, ttl).await {
                return self.record_holder(request, &key, &value).await;
            }
            let pause = rand::random_range(1..10);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        count(&request.lock_ref, AcquireResult::Refused);
        Err(Error::LockUndecided(request.lock_ref.name.clone()))
    }

    /// Turns a majority into the lock, or gives the nodes back. If the store's answer is lost, the nodes stay taken for
    /// their short first time: the same request, sent again, may be the holder.
    async fn record_holder(
        &self,
        request: &AcquireRequest,
        key: &str,
        value: &str,
    ) -> Result<Lock, Error> {
        let granted = self.grant(request, value).await;
        match &granted {
            Ok(_) if request.ttl > INITIAL_NODE_TTL => {
                self.redlock.hold(key, value, request.ttl).await;
            }
            Ok(_) | Err(Error::Unavailable(_)) => {}
            Err(_) => self.redlock.drop(key, value).await,
        }
        granted
    }

    async fn grant(&self, request: &AcquireRequest, value: &str) -> Result<Lock, Error> {
        let script = if request.even_if_full {
            &self.grant_even_if_full
        } else {
            &self.grant
        };
        let slot = &request.lock_ref.slot;
        let call = script
            .call()
            .key(slot.lock(&request.lock_ref.name))
            .key(slot.clock())
            .key(slot.key(NAMES))
            .key(slot.key(DEADLINES))
            .key(slot.request_key(&request.idempotency_key.request_id))
            .args(&GrantArgs {
                fingerprint: &request.idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                name: &request.lock_ref.name,
                owner: &request.owner,
                purpose: &request.purpose,
                redlock_value: value,
                ttl_ms: millis(request.ttl),
                max_locks: MAX_NAMESPACE_LOCKS,
            });
        let mut reply = self.connection.call(&call).await?;
        let granted: GrantedFields =
            reply.accept(|status, reply| refusal(status, reply, &request.lock_ref))?;
        if !reply.is_repeated() {
            count(&request.lock_ref, AcquireResult::Granted);
        }
        Ok(granted.lock(request))
    }
}

fn refusal(status: &str, reply: &mut Reply, lock_ref: &LockRef) -> Result<Error, Error> {
    if status == "TOO_MANY" {
        return Ok(Error::TooManyLocks {
            namespace: lock_ref.namespace.clone(),
            held: reply.fields::<TooManyFields>()?.held,
            max: MAX_NAMESPACE_LOCKS as u64,
        });
    }
    if status != "HELD" {
        return idempotency::refusal(status, reply, None);
    }
    let held: RefusedFields = reply.fields()?;
    Ok(lock_held(lock_ref, held.owner, held.purpose, held.left_ms))
}

/// The error of an acquisition that another holder prevents; counts it.
fn lock_held(lock_ref: &LockRef, owner: String, purpose: String, left_ms: u64) -> Error {
    count(lock_ref, AcquireResult::Refused);
    Error::LockHeld {
        name: lock_ref.name.clone(),
        owner,
        purpose,
        left_ms,
    }
}
