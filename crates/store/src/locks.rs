//! Locks: the lock's record in the store makes its holder; with lock nodes, a majority of them must agree first.
//!
//! The invariant: while a record lives, its token is the only one that guarded writes of its namespace accept, and no
//! other is given. A record goes by Redis's clock, so a holder that was stopped for too long finds its writes refused,
//! whoever holds the lock by then.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::Lock;

use super::clock::{millis, timestamp};
use super::connection::{RedisConnection, with_operation_timeout};
use super::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use super::keys::{Keys, Slot};
use super::pubsub::open_envelope;
use super::redlock::Redlock;
use super::reply::Reply;
use super::script::{Effect, Script};
use crate::error::Error;
use crate::metrics::{self, AcquireResult, StaleWriteKind};

/// The bus channel that tells of every lock given back.
pub const RELEASED: &str = "lock:released";
/// Held locks in the order of their names, and of their ends.
const NAMES: &str = "lock-names";
const DEADLINES: &str = "lock-deadlines";
/// Tries for a majority of the lock nodes, while nobody holds the lock: another caller may be trying too.
const TRIES: usize = 3;
/// Lock nodes are first taken for this long: if the taker dies before the record is made, nobody waits longer.
const INITIAL_NODE_TTL: Duration = Duration::from_secs(3);

/// Which lock: its slot on the store's side, its names on the caller's.
#[derive(Debug, Clone)]
pub struct LockRef {
    /// Where its keys are.
    pub slot: Slot,
    /// As callers are told of it.
    pub namespace: String,
    /// Its name in the slot.
    pub name: String,
}

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct AcquireRequest {
    /// The request, which acquires once.
    pub idempotency_key: IdempotencyKey,
    /// Which lock.
    pub lock_ref: LockRef,
    /// For whom.
    pub owner: String,
    /// What for, as others are told.
    pub purpose: String,
    /// How long it is held unless it is renewed.
    pub ttl: Duration,
    /// For a service's own locks: even if Redis is full.
    pub even_if_full: bool,
}

/// A caller's claim to hold a lock.
#[derive(Debug, Clone)]
pub struct LockOwnership {
    /// Who acquired it.
    pub owner: String,
    /// The fencing token it was acquired with.
    pub token: u64,
}

/// The locks of all namespaces.
pub struct Locks {
    connection: RedisConnection,
    keys: Keys,
    redlock: Redlock,
    grant: Script,
    grant_even_if_full: Script,
    renew: Script,
    release: Script,
    look: Script,
    list: Script,
}

impl Locks {
    pub(super) fn new(connection: RedisConnection, keys: Keys, redlock: Redlock) -> Self {
        Self {
            connection,
            keys,
            redlock,
            grant: Script::new(Effect::Writes, include_str!("lua/grant_lock.lua")),
            grant_even_if_full: Script::new(Effect::Frees, include_str!("lua/grant_lock.lua")),
            renew: Script::new(Effect::Frees, include_str!("lua/renew_lock.lua")),
            release: Script::new(Effect::Frees, include_str!("lua/release_lock.lua")),
            look: Script::new(Effect::Reads, include_str!("lua/look_lock.lua")),
            list: Script::new(Effect::Reads, include_str!("lua/list_locks.lua")),
        }
    }

    /// The place of a lock of a caller's namespace.
    pub fn lock_ref(&self, namespace: String, name: String) -> LockRef {
        LockRef {
            slot: self.keys.namespace(&namespace),
            namespace,
            name,
        }
    }

    /// Acquires a lock that is free now.
    ///
    /// # Errors
    /// `LockHeld` if somebody holds it, `LockUndecided` if too few lock nodes agree, `RequestIdReused`, or as the store
    /// fails.
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
        let key = redlock_key(&request.lock_ref);
        // The same for the same request, so that a repeated one goes on where a lost one ended.
        let value = format!(
            "{}/{}",
            request.idempotency_key.fingerprint, request.idempotency_key.request_id
        );
        for _ in 0..TRIES {
            match self.find_holder(request).await? {
                LockStatus::Done(lock) => return Ok(lock),
                LockStatus::Held(holder, left) => {
                    let (owner, purpose) = (holder.owner, holder.purpose);
                    return Err(lock_held(&request.lock_ref, owner, purpose, left));
                }
                LockStatus::Free(released) if !released.is_empty() => {
                    self.redlock.drop(&key, &released).await;
                }
                LockStatus::Free(_) => {}
            }
            if self
                .redlock
                .hold(&key, &value, request.ttl.min(INITIAL_NODE_TTL))
                .await
            {
                return self.record_holder(request, &key, &value).await;
            }
            let pause = rand::random_range(1..10);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        count(&request.lock_ref, AcquireResult::Refused);
        Err(Error::LockUndecided(request.lock_ref.name.clone()))
    }

    /// Turns a majority into the lock, or gives it back. If nobody knows what the store did, the nodes stay taken for
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
            .arg(request.idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(request.lock_ref.name.as_str())
            .arg(request.owner.as_str())
            .arg(request.purpose.as_str())
            .arg(value)
            .arg(millis(request.ttl));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                if !reply.is_repeated() {
                    count(&request.lock_ref, AcquireResult::Granted);
                }
                read_grant(request, &mut reply)
            }
            "HELD" => {
                let (owner, purpose, left) = (reply.take()?, reply.take()?, reply.take()?);
                Err(lock_held(&request.lock_ref, owner, purpose, left))
            }
            other => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }

    /// Who holds the lock, or what the same request acquired before.
    async fn find_holder(&self, request: &AcquireRequest) -> Result<LockStatus, Error> {
        let mut reply = self
            .read_record(&request.lock_ref, Some(&request.idempotency_key))
            .await?;
        match reply.status()?.as_str() {
            "DONE" => read_grant(request, &mut reply).map(LockStatus::Done),
            "FREE" => reply.take().map(LockStatus::Free),
            "HELD" => {
                let left = reply.take()?;
                Ok(LockStatus::Held(
                    read_lock(&request.lock_ref, &mut reply)?,
                    left,
                ))
            }
            other => Err(idempotency::refusal(other, &mut reply, None)?),
        }
    }

    /// Who holds a lock.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, lock_ref: &LockRef) -> Result<Option<Lock>, Error> {
        let mut reply = self.read_record(lock_ref, None).await?;
        if reply.status()? != "HELD" {
            return Ok(None);
        }
        reply.take::<u64>()?;
        read_lock(lock_ref, &mut reply).map(Some)
    }

    async fn read_record(
        &self,
        lock_ref: &LockRef,
        idempotency_key: Option<&IdempotencyKey>,
    ) -> Result<Reply, Error> {
        let (request_id, fingerprint) = idempotency_key.map_or(("", ""), |idempotency_key| {
            (
                idempotency_key.request_id.as_str(),
                idempotency_key.fingerprint.as_str(),
            )
        });
        let call = self
            .look
            .call()
            .key(lock_ref.slot.lock(&lock_ref.name))
            .key(lock_ref.slot.request_key(request_id))
            .key(released_key(lock_ref))
            .arg(fingerprint);
        self.connection.call(&call).await
    }

    /// Keeps a lock for `ttl` from now on.
    ///
    /// # Errors
    /// `LockLost` if it is not held with the claim any more; `LockUndecided` if too few lock nodes agree; or as the store
    /// fails.
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
            .arg(lock_ref.name.as_str())
            .arg(ownership.owner.as_str())
            .arg(ownership.token)
            .arg(millis(ttl));
        let mut reply = self.connection.call(&call).await?;
        if reply.status()? != "OK" {
            return Err(lock_lost(lock_ref, ownership, &mut reply)?);
        }
        let purpose: String = reply.take()?;
        let (since, expires): (i64, i64) = (reply.take()?, reply.take()?);
        let value: String = reply.take()?;
        if self.redlock.is_used() && !self.redlock.hold(&redlock_key(lock_ref), &value, ttl).await {
            return Err(Error::LockUndecided(lock_ref.name.clone()));
        }
        Ok(lock(
            lock_ref,
            &ownership.owner,
            &purpose,
            ownership.token,
            since,
            expires,
        ))
    }

    /// Gives a lock back; tells whether it was held with the claim until now.
    ///
    /// # Errors
    /// `LockLost` if it is held with the token by another owner, `RequestIdReused`, or as the store fails.
    pub async fn release(
        self: &Arc<Self>,
        idempotency_key: &IdempotencyKey,
        lock_ref: &LockRef,
        ownership: &LockOwnership,
    ) -> Result<bool, Error> {
        let publication = [
            ("namespace", lock_ref.namespace.as_str()),
            ("name", lock_ref.name.as_str()),
        ];
        let call = self
            .release
            .call()
            .key(lock_ref.slot.lock(&lock_ref.name))
            .key(lock_ref.slot.key(NAMES))
            .key(lock_ref.slot.key(DEADLINES))
            .key(lock_ref.slot.request_key(&idempotency_key.request_id))
            .key(released_key(lock_ref))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
            .arg(lock_ref.name.as_str())
            .arg(ownership.owner.as_str())
            .arg(ownership.token)
            .arg(self.keys.channel(RELEASED))
            .arg(open_envelope(
                &ownership.owner,
                &publication,
                "fencing_token",
            ));
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {}
            "LOST" => return Err(lock_lost(lock_ref, ownership, &mut reply)?),
            other => return Err(idempotency::refusal(other, &mut reply, None)?),
        }
        let was_held: bool = reply.take()?;
        let value: String = reply.take()?;
        if self.redlock.is_used() && was_held {
            let (locks, key) = (self.clone(), redlock_key(lock_ref));
            let dropping = tokio::spawn(async move { locks.redlock.drop(&key, &value).await });
            // A caller that hangs up does not end it; a failure leaves it to who comes next.
            let _ = dropping.await;
        }
        Ok(was_held)
    }

    /// A page of at most `count` held locks, in the order of their names, after one; and the name to go on after.
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
        let call = self
            .list
            .call()
            .key(slot.key(NAMES))
            .arg(slot.item("lock", ""))
            .arg(lowest)
            .arg(count);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let last: String = reply.take()?;
        let locks = reply
            .rest::<(String, u64, String, String, i64, i64)>()?
            .into_iter()
            .map(|(name, token, owner, purpose, since, expires)| {
                let lock_ref = self.lock_ref(namespace.to_owned(), name);
                lock(&lock_ref, &owner, &purpose, token, since, expires)
            })
            .collect();
        Ok((locks, (!last.is_empty()).then_some(last)))
    }
}

/// A service's own lock is in no namespace; what becomes of it says nothing about those who share their work.
fn is_user_lock(lock_ref: &LockRef) -> bool {
    !lock_ref.namespace.is_empty()
}

fn count(lock_ref: &LockRef, outcome: AcquireResult) {
    if is_user_lock(lock_ref) {
        metrics::count_lock(outcome);
    }
}

/// What `look_lock` found.
enum LockStatus {
    /// What the same request acquired before.
    Done(Lock),
    /// The lock, and the milliseconds it has left.
    Held(Lock, u64),
    /// Nobody has it; what its last Redlock was known by, or nothing.
    Free(String),
}

/// Under which key the lock nodes have it.
fn redlock_key(lock_ref: &LockRef) -> String {
    lock_ref.slot.item("redlock", &lock_ref.name)
}

/// Where what was given back is known by, until no lock node can remember it.
fn released_key(lock_ref: &LockRef) -> String {
    lock_ref.slot.item("redlock-left", &lock_ref.name)
}

/// What `grant_lock` answered.
fn read_grant(request: &AcquireRequest, reply: &mut Reply) -> Result<Lock, Error> {
    let token = reply.take()?;
    let (since, expires) = (reply.take()?, reply.take()?);
    Ok(lock(
        &request.lock_ref,
        &request.owner,
        &request.purpose,
        token,
        since,
        expires,
    ))
}

/// The lock as `look_lock` tells it.
fn read_lock(lock_ref: &LockRef, reply: &mut Reply) -> Result<Lock, Error> {
    let token = reply.take()?;
    let (owner, purpose): (String, String) = (reply.take()?, reply.take()?);
    let (since, expires) = (reply.take()?, reply.take()?);
    Ok(lock(lock_ref, &owner, &purpose, token, since, expires))
}

fn lock(
    lock_ref: &LockRef,
    owner: &str,
    purpose: &str,
    token: u64,
    since: i64,
    expires: i64,
) -> Lock {
    Lock {
        namespace: lock_ref.namespace.clone(),
        name: lock_ref.name.clone(),
        owner: owner.to_owned(),
        purpose: purpose.to_owned(),
        fencing_token: token,
        acquired_at: Some(timestamp(since)),
        expires_at: Some(timestamp(expires)),
    }
}

fn lock_held(lock_ref: &LockRef, owner: String, purpose: String, left_ms: u64) -> Error {
    count(lock_ref, AcquireResult::Refused);
    Error::LockHeld {
        name: lock_ref.name.clone(),
        owner,
        purpose,
        left_ms,
    }
}

fn lock_lost(
    lock_ref: &LockRef,
    ownership: &LockOwnership,
    reply: &mut Reply,
) -> Result<Error, Error> {
    let token: String = reply.take()?;
    let owner: String = reply.take()?;
    if is_user_lock(lock_ref) {
        metrics::count_stale_write(StaleWriteKind::Lock);
    }
    Ok(Error::LockLost {
        name: lock_ref.name.clone(),
        token: ownership.token,
        holder: (!token.is_empty()).then(|| format!("{owner} with token {token}")),
    })
}
