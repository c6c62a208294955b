//! Reading locks: the holder of one, and the held locks of a namespace.

use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::Lock;

use super::model::{AcquireRequest, LockRef};
use super::rows::{GrantedFields, HeldFields};
use super::store::{Locks, NAMES};
use crate::error::Error;
use crate::idempotency::{self, IdempotencyKey};
use crate::reply::Reply;

/// What `look_lock` found.
pub(super) enum HolderStatus {
    /// What the same request acquired before.
    Done(Lock),
    /// The lock, and the milliseconds until its end.
    Held(Lock, u64),
    /// The lock is free; the Redlock value that lock nodes may still remember of its last holder.
    Free(Option<String>),
}

#[derive(Serialize)]
struct LookArgs<'a> {
    fingerprint: Option<&'a str>,
}

#[derive(Deserialize)]
struct LookFields {
    left_ms: u64,
    #[serde(flatten)]
    held: HeldFields,
}

#[derive(Deserialize)]
struct FreeFields {
    #[serde(default)]
    released_value: Option<String>,
}

#[derive(Serialize)]
struct ListArgs<'a> {
    lock_prefix: &'a str,
    lowest: &'a str,
    count: u32,
}

#[derive(Deserialize)]
struct ListFields {
    #[serde(default)]
    last: Option<String>,
    locks: Vec<NamedFields>,
}

#[derive(Deserialize)]
struct NamedFields {
    name: String,
    #[serde(flatten)]
    held: HeldFields,
}

impl Locks {
    /// The holder of the lock, or what the same request acquired before.
    pub(super) async fn find_holder(
        &self,
        request: &AcquireRequest,
    ) -> Result<HolderStatus, Error> {
        let lock_ref = &request.lock_ref;
        let mut reply = self.look(lock_ref, Some(&request.idempotency_key)).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let granted: GrantedFields = reply.fields()?;
                Ok(HolderStatus::Done(granted.lock(request)))
            }
            "FREE" => {
                let free: FreeFields = reply.fields()?;
                Ok(HolderStatus::Free(free.released_value))
            }
            "HELD" => {
                let found: LookFields = reply.fields()?;
                Ok(HolderStatus::Held(found.held.lock(lock_ref), found.left_ms))
            }
            other => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }

    /// A lock with its holder; `None` if it is free.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, lock_ref: &LockRef) -> Result<Option<Lock>, Error> {
        let mut reply = self.look(lock_ref, None).await?;
        if reply.status()? != "HELD" {
            return Ok(None);
        }
        let held: HeldFields = reply.fields()?;
        Ok(Some(held.lock(lock_ref)))
    }

    async fn look(
        &self,
        lock_ref: &LockRef,
        idempotency_key: Option<&IdempotencyKey>,
    ) -> Result<Reply, Error> {
        let request_id = idempotency_key.map_or("", |key| &key.request_id);
        let call = self
            .look
            .call()
            .key(lock_ref.slot.lock(&lock_ref.name))
            .key(lock_ref.slot.request_key(request_id))
            .key(lock_ref.released_key())
            .args(&LookArgs {
                fingerprint: idempotency_key.map(|key| key.fingerprint.as_str()),
            });
        self.connection.call(&call).await
    }

    /// A page of at most `count` held locks in the order of their names, after one; and the name that the next page begins
    /// after.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        namespace: &str,
        after: &str,
        count: u32,
    ) -> Result<(Vec<Lock>, Option<String>), Error> {
        let slot = self.keys.namespace(namespace);
        let lowest = if after.is_empty() {
            "-".to_owned()
        } else {
            format!("({after}")
        };
        let call = self.list.call().key(slot.key(NAMES)).args(&ListArgs {
            lock_prefix: &slot.item("lock", ""),
            lowest: &lowest,
            count,
        });
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let page: ListFields = reply.fields()?;
        let locks = page.locks.into_iter().map(|named| {
            let lock_ref = self.lock_ref(namespace.to_owned(), named.name);
            named.held.lock(&lock_ref)
        });
        Ok((locks.collect(), page.last))
    }
}
