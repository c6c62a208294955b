//! Locks: the lock's record in the store makes its holder; with lock nodes, a majority of them must agree first.
//!
//! The invariant: while a record lives, its token is the only one that guarded writes of its namespace accept, and no
//! other is given. A record goes by Redis's clock, so a holder that was stopped for too long finds its writes refused,
//! whoever holds the lock by then.

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::Lock;

use super::clock::{millis, timestamp};
use super::ear::open_envelope;
use super::keys::{Keys, Slot};
use super::ledger::{self, Once, REMEMBERED};
use super::link::{Link, promptly};
use super::redlock::Redlock;
use super::reply::Reply;
use super::script::{Effect, Script};
use crate::error::Error;
use crate::tally::{self, Outcome, Stale};

/// The bus channel that tells of every lock given back.
pub const RELEASED: &str = "lock:released";
/// Held locks in the order of their names, and of their ends.
const NAMES: &str = "lock-names";
const DEADLINES: &str = "lock-deadlines";
/// Tries for a majority of the lock nodes, while nobody holds the lock: another caller may be trying too.
const TRIES: usize = 3;
/// Lock nodes are first taken for this long: if the taker dies before the record is made, nobody waits longer.
const FIRST_HOLD: Duration = Duration::from_secs(3);

/// Which lock: its slot on the store's side, its names on the caller's.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where its keys are.
    pub slot: Slot,
    /// As callers are told of it.
    pub namespace: String,
    /// Its name in the slot.
    pub name: String,
}

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The request, which acquires once.
    pub once: Once,
    /// Which lock.
    pub place: Place,
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
pub struct Claim {
    /// Who acquired it.
    pub owner: String,
    /// The fencing token it was acquired with.
    pub token: u64,
}

/// The locks of all namespaces.
pub struct Locks {
    link: Link,
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
    pub(super) fn new(link: Link, keys: Keys, redlock: Redlock) -> Self {
        Self {
            link,
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
    pub fn place(&self, namespace: String, name: String) -> Place {
        Place {
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
    pub async fn acquire(self: &Arc<Self>, wish: &Wish) -> Result<Lock, Error> {
        if !self.redlock.is_used() {
            return self.grant(wish, "").await;
        }
        // In a task of its own: a caller that hangs up must not leave the nodes taken and the record unmade.
        let (locks, wish) = (self.clone(), wish.clone());
        let acquiring = tokio::spawn(async move { locks.acquire_over_nodes(&wish).await });
        promptly(async { acquiring.await.map_err(|_| Error::Stopping)? }).await
    }

    async fn acquire_over_nodes(&self, wish: &Wish) -> Result<Lock, Error> {
        let key = redlock_key(&wish.place);
        // The same for the same request, so that a repeated one goes on where a lost one ended.
        let value = format!("{}/{}", wish.once.fingerprint, wish.once.request_id);
        for _ in 0..TRIES {
            match self.look_for(wish).await? {
                Look::Done(lock) => return Ok(lock),
                Look::Held(holder, left) => {
                    let (owner, purpose) = (holder.owner, holder.purpose);
                    return Err(held_by(&wish.place, owner, purpose, left));
                }
                Look::Free(left_behind) if !left_behind.is_empty() => {
                    self.redlock.drop(&key, &left_behind).await;
                }
                Look::Free(_) => {}
            }
            if self
                .redlock
                .hold(&key, &value, wish.ttl.min(FIRST_HOLD))
                .await
            {
                return self.make_holder(wish, &key, &value).await;
            }
            let pause = rand::random_range(1..10);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        count(&wish.place, Outcome::Refused);
        Err(Error::LockUndecided(wish.place.name.clone()))
    }

    /// Turns a majority into the lock, or gives it back. If nobody knows what the store did, the nodes stay taken for
    /// their short first time: the same request, sent again, may be the holder.
    async fn make_holder(&self, wish: &Wish, key: &str, value: &str) -> Result<Lock, Error> {
        let granted = self.grant(wish, value).await;
        match &granted {
            Ok(_) if wish.ttl > FIRST_HOLD => {
                self.redlock.hold(key, value, wish.ttl).await;
            }
            Ok(_) | Err(Error::Unavailable(_)) => {}
            Err(_) => self.redlock.drop(key, value).await,
        }
        granted
    }

    async fn grant(&self, wish: &Wish, value: &str) -> Result<Lock, Error> {
        let script = if wish.even_if_full {
            &self.grant_even_if_full
        } else {
            &self.grant
        };
        let slot = &wish.place.slot;
        let call = script
            .call()
            .key(slot.lock(&wish.place.name))
            .key(slot.clock())
            .key(slot.key(NAMES))
            .key(slot.key(DEADLINES))
            .key(slot.did(&wish.once.request_id))
            .arg(wish.once.fingerprint.as_str())
            .arg(millis(REMEMBERED))
            .arg(wish.place.name.as_str())
            .arg(wish.owner.as_str())
            .arg(wish.purpose.as_str())
            .arg(value)
            .arg(millis(wish.ttl));
        let mut reply = self.link.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                if !reply.is_repeated() {
                    count(&wish.place, Outcome::Granted);
                }
                granted(wish, &mut reply)
            }
            "HELD" => {
                let (owner, purpose, left) = (reply.take()?, reply.take()?, reply.take()?);
                Err(held_by(&wish.place, owner, purpose, left))
            }
            other => Err(ledger::refusal(other, &mut reply, None)?),
        }
    }

    /// Who holds the lock, or what the same request acquired before.
    async fn look_for(&self, wish: &Wish) -> Result<Look, Error> {
        let mut reply = self.ask(&wish.place, Some(&wish.once)).await?;
        match reply.status()?.as_str() {
            "DONE" => granted(wish, &mut reply).map(Look::Done),
            "FREE" => reply.take().map(Look::Free),
            "HELD" => {
                let left = reply.take()?;
                Ok(Look::Held(held(&wish.place, &mut reply)?, left))
            }
            other => Err(ledger::refusal(other, &mut reply, None)?),
        }
    }

    /// Who holds a lock.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn look(&self, place: &Place) -> Result<Option<Lock>, Error> {
        let mut reply = self.ask(place, None).await?;
        if reply.status()? != "HELD" {
            return Ok(None);
        }
        reply.take::<u64>()?;
        held(place, &mut reply).map(Some)
    }

    async fn ask(&self, place: &Place, once: Option<&Once>) -> Result<Reply, Error> {
        let (request_id, fingerprint) = once.map_or(("", ""), |once| {
            (once.request_id.as_str(), once.fingerprint.as_str())
        });
        let call = self
            .look
            .call()
            .key(place.slot.lock(&place.name))
            .key(place.slot.did(request_id))
            .key(left_key(place))
            .arg(fingerprint);
        self.link.call(&call).await
    }

    /// Keeps a lock for `ttl` from now on.
    ///
    /// # Errors
    /// `LockLost` if it is not held with the claim any more; `LockUndecided` if too few lock nodes agree; or as the store
    /// fails.
    pub async fn renew(&self, place: &Place, claim: &Claim, ttl: Duration) -> Result<Lock, Error> {
        let call = self
            .renew
            .call()
            .key(place.slot.lock(&place.name))
            .key(place.slot.key(DEADLINES))
            .arg(place.name.as_str())
            .arg(claim.owner.as_str())
            .arg(claim.token)
            .arg(millis(ttl));
        let mut reply = self.link.call(&call).await?;
        if reply.status()? != "OK" {
            return Err(lost(place, claim, &mut reply)?);
        }
        let purpose: String = reply.take()?;
        let (since, expires): (i64, i64) = (reply.take()?, reply.take()?);
        let value: String = reply.take()?;
        if self.redlock.is_used() && !self.redlock.hold(&redlock_key(place), &value, ttl).await {
            return Err(Error::LockUndecided(place.name.clone()));
        }
        Ok(lock(
            place,
            &claim.owner,
            &purpose,
            claim.token,
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
        once: &Once,
        place: &Place,
        claim: &Claim,
    ) -> Result<bool, Error> {
        let news = [
            ("namespace", place.namespace.as_str()),
            ("name", place.name.as_str()),
        ];
        let call = self
            .release
            .call()
            .key(place.slot.lock(&place.name))
            .key(place.slot.key(NAMES))
            .key(place.slot.key(DEADLINES))
            .key(place.slot.did(&once.request_id))
            .key(left_key(place))
            .arg(once.fingerprint.as_str())
            .arg(millis(REMEMBERED))
            .arg(place.name.as_str())
            .arg(claim.owner.as_str())
            .arg(claim.token)
            .arg(self.keys.channel(RELEASED))
            .arg(open_envelope(&claim.owner, &news, "fencing_token"));
        let mut reply = self.link.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {}
            "LOST" => return Err(lost(place, claim, &mut reply)?),
            other => return Err(ledger::refusal(other, &mut reply, None)?),
        }
        let was_held: bool = reply.take()?;
        let value: String = reply.take()?;
        if self.redlock.is_used() && was_held {
            let (locks, key) = (self.clone(), redlock_key(place));
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
        let mut reply = self.link.call(&call).await?;
        reply.status()?;
        let last: String = reply.take()?;
        let locks = reply
            .rest::<(String, u64, String, String, i64, i64)>()?
            .into_iter()
            .map(|(name, token, owner, purpose, since, expires)| {
                let place = self.place(namespace.to_owned(), name);
                lock(&place, &owner, &purpose, token, since, expires)
            })
            .collect();
        Ok((locks, (!last.is_empty()).then_some(last)))
    }
}

/// A service's own lock is in no namespace; what becomes of it says nothing about those who share their work.
fn is_a_callers(place: &Place) -> bool {
    !place.namespace.is_empty()
}

fn count(place: &Place, outcome: Outcome) {
    if is_a_callers(place) {
        tally::lock(outcome);
    }
}

/// What `look_lock` found.
enum Look {
    /// What the same request acquired before.
    Done(Lock),
    /// The lock, and the milliseconds it has left.
    Held(Lock, u64),
    /// Nobody has it; what its last Redlock was known by, or nothing.
    Free(String),
}

/// Under which key the lock nodes have it.
fn redlock_key(place: &Place) -> String {
    place.slot.item("redlock", &place.name)
}

/// Where what was given back is known by, until no lock node can remember it.
fn left_key(place: &Place) -> String {
    place.slot.item("redlock-left", &place.name)
}

/// What `grant_lock` answered.
fn granted(wish: &Wish, reply: &mut Reply) -> Result<Lock, Error> {
    let token = reply.take()?;
    let (since, expires) = (reply.take()?, reply.take()?);
    Ok(lock(
        &wish.place,
        &wish.owner,
        &wish.purpose,
        token,
        since,
        expires,
    ))
}

/// The lock as `look_lock` tells it.
fn held(place: &Place, reply: &mut Reply) -> Result<Lock, Error> {
    let token = reply.take()?;
    let (owner, purpose): (String, String) = (reply.take()?, reply.take()?);
    let (since, expires) = (reply.take()?, reply.take()?);
    Ok(lock(place, &owner, &purpose, token, since, expires))
}

fn lock(place: &Place, owner: &str, purpose: &str, token: u64, since: i64, expires: i64) -> Lock {
    Lock {
        namespace: place.namespace.clone(),
        name: place.name.clone(),
        owner: owner.to_owned(),
        purpose: purpose.to_owned(),
        fencing_token: token,
        acquired_at: Some(timestamp(since)),
        expires_at: Some(timestamp(expires)),
    }
}

fn held_by(place: &Place, owner: String, purpose: String, left_ms: u64) -> Error {
    count(place, Outcome::Refused);
    Error::LockHeld {
        name: place.name.clone(),
        owner,
        purpose,
        left_ms,
    }
}

fn lost(place: &Place, claim: &Claim, reply: &mut Reply) -> Result<Error, Error> {
    let token: String = reply.take()?;
    let owner: String = reply.take()?;
    if is_a_callers(place) {
        tally::stale_write(Stale::Lock);
    }
    Ok(Error::LockLost {
        name: place.name.clone(),
        token: claim.token,
        holder: (!token.is_empty()).then(|| format!("{owner} with token {token}")),
    })
}
