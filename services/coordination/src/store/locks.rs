//! Locks: a majority of the Redlock nodes lets a caller try, the lock's record in the store makes it the holder.
//!
//! The invariant: while a record lives, its token is the only one that guarded writes of its namespace accept, and no
//! other is given. A record lives shorter than its Redlock, by Redis's clock, so a holder that was stopped for too
//! long finds its writes refused, whoever holds the lock by then.

use std::time::Duration;

use shim_proto::coordination::v1::Lock;

use super::clock::{millis, timestamp};
use super::ear::open_envelope;
use super::keys::{Keys, Slot};
use super::ledger::{self, Once, REMEMBERED};
use super::link::Link;
use super::redlock::Redlock;
use super::reply::Reply;
use super::script::{Effect, Script};
use crate::error::Error;

/// The bus channel that tells of every lock given back.
pub(crate) const RELEASED: &str = "lock:released";
/// Tries for a lock that seems free: a holder may be between its two steps, or a connection was just lost.
const TRIES: usize = 3;

/// A Redlock is first taken for at most this long: if its taker dies before the record is made, nobody waits longer.
const FIRST_TTL: Duration = Duration::from_secs(60);

/// Which lock: its slot on the store's side, its names on the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) slot: Slot,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A caller's claim to hold a lock.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) owner: String,
    pub(crate) token: u64,
}

/// The locks of all namespaces.
pub(crate) struct Locks {
    link: Link,
    keys: Keys,
    redlock: Redlock,
    grant: Script,
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
            renew: Script::new(Effect::Frees, include_str!("lua/renew_lock.lua")),
            release: Script::new(Effect::Frees, include_str!("lua/release_lock.lua")),
            look: Script::new(Effect::Reads, include_str!("lua/look_lock.lua")),
            list: Script::new(Effect::Reads, include_str!("lua/list_locks.lua")),
        }
    }

    /// The place of a lock of a caller's namespace.
    pub(crate) fn place(&self, namespace: String, name: String) -> Place {
        Place {
            slot: self.keys.namespace(&namespace),
            namespace,
            name,
        }
    }

    /// Acquires a lock that is free now.
    ///
    /// # Errors
    /// `LockHeld` if somebody holds it, `LockUndecided` if too few nodes agree.
    pub(crate) async fn acquire(
        &self,
        once: &Once,
        place: &Place,
        owner: &str,
        purpose: &str,
        ttl: Duration,
    ) -> Result<Lock, Error> {
        let redlock_key = place.slot.item("redlock", &place.name);
        for _ in 0..TRIES {
            if let Some(redlock) = self.redlock.lock(&redlock_key, ttl.min(FIRST_TTL)).await? {
                let lock = self
                    .make_holder(once, place, owner, purpose, &redlock)
                    .await?;
                if ttl <= FIRST_TTL {
                    return Ok(lock);
                }
                let claim = Claim {
                    owner: owner.to_owned(),
                    token: lock.fencing_token,
                };
                return self.renew(place, &claim, ttl).await;
            }
            if let Some(lock) = self.look_for(once, place, owner, purpose).await? {
                return Ok(lock);
            }
            let pause = rand::random_range(1..10);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(Error::LockUndecided(place.name.clone()))
    }

    /// Turns a Redlock into the lock, or gives it back.
    async fn make_holder(
        &self,
        once: &Once,
        place: &Place,
        owner: &str,
        purpose: &str,
        redlock: &rslock::Lock,
    ) -> Result<Lock, Error> {
        let left_ms = redlock.validity_time as u64;
        let granted = self
            .grant(once, place, owner, purpose, &redlock.val, left_ms)
            .await;
        // A repeated request got an earlier acquisition; what this one locked is not needed. If nobody knows what the
        // store did, the Redlock must stay: the same request, sent again, may be the holder.
        let keep = match &granted {
            Ok((_, value)) => *value == redlock.val,
            Err(error) => matches!(error, Error::Unavailable(_)),
        };
        if !keep {
            let redlock_key = place.slot.item("redlock", &place.name);
            self.redlock.unlock(&redlock_key, &redlock.val).await;
        }
        granted.map(|(lock, _)| lock)
    }

    async fn grant(
        &self,
        once: &Once,
        place: &Place,
        owner: &str,
        purpose: &str,
        value: &[u8],
        ttl_ms: u64,
    ) -> Result<(Lock, Vec<u8>), Error> {
        let call = self
            .grant
            .call()
            .key(place.slot.lock(&place.name))
            .key(place.slot.clock())
            .key(place.slot.key("locks"))
            .key(place.slot.did(&once.request_id))
            .arg(once.fingerprint.as_str())
            .arg(millis(REMEMBERED))
            .arg(place.name.as_str())
            .arg(owner)
            .arg(purpose)
            .arg(value)
            .arg(ttl_ms);
        let mut reply = self.link.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                let lock = granted(place, owner, purpose, &mut reply)?;
                Ok((lock, reply.take()?))
            }
            "HELD" => Err(held_by(place, reply.take()?, reply.take()?, reply.take()?)),
            other => Err(ledger::refusal(other, &mut reply, None)?),
        }
    }

    /// What the same request acquired before; `None` if nothing, and nobody holds the lock.
    async fn look_for(
        &self,
        once: &Once,
        place: &Place,
        owner: &str,
        purpose: &str,
    ) -> Result<Option<Lock>, Error> {
        let call = self.look.call().key(place.slot.lock(&place.name));
        let call = call
            .key(place.slot.did(&once.request_id))
            .arg(once.fingerprint.as_str());
        let mut reply = self.link.call(&call).await?;
        match reply.status()?.as_str() {
            "DONE" => granted(place, owner, purpose, &mut reply).map(Some),
            "OK" => match held(place, &mut reply)? {
                Some((holder, left)) => Err(held_by(place, holder.owner, holder.purpose, left)),
                None => Ok(None),
            },
            other => Err(ledger::refusal(other, &mut reply, None)?),
        }
    }

    /// Who holds a lock.
    pub(crate) async fn look(&self, place: &Place) -> Result<Option<Lock>, Error> {
        let call = self.look.call().key(place.slot.lock(&place.name));
        let mut reply = self
            .link
            .call(&call.key(place.slot.did("")).arg(""))
            .await?;
        reply.status()?;
        Ok(held(place, &mut reply)?.map(|(lock, _)| lock))
    }

    /// Keeps a lock for longer.
    ///
    /// # Errors
    /// `LockLost` if it is not held with the claim any more.
    pub(crate) async fn renew(
        &self,
        place: &Place,
        claim: &Claim,
        ttl: Duration,
    ) -> Result<Lock, Error> {
        let value = self.redlock_value(place, claim).await?;
        let redlock_key = place.slot.item("redlock", &place.name);
        let redlock = match self.redlock.extend(&redlock_key, &value, ttl).await? {
            Some(extended) => Some(extended),
            // Nodes that were away have forgotten it. The record still keeps others out, so it can be had anew.
            None => self.redlock.lock(&redlock_key, ttl).await?,
        };
        let redlock = redlock.ok_or_else(|| Error::LockUndecided(place.name.clone()))?;
        let call = self
            .renew
            .call()
            .key(place.slot.lock(&place.name))
            .key(place.slot.key("locks"))
            .arg(place.name.as_str())
            .arg(claim.owner.as_str())
            .arg(claim.token)
            .arg(redlock.val)
            .arg(redlock.validity_time);
        let mut reply = self.link.call(&call).await?;
        if reply.status()? != "OK" {
            return Err(lost(place, claim, &mut reply)?);
        }
        let purpose: String = reply.take()?;
        let (since, expires): (i64, i64) = (reply.take()?, reply.take()?);
        Ok(lock(
            place,
            &claim.owner,
            &purpose,
            claim.token,
            since,
            expires,
        ))
    }

    /// What the holder's Redlock is known by.
    async fn redlock_value(&self, place: &Place, claim: &Claim) -> Result<Vec<u8>, Error> {
        let read = redis::cmd("HMGET")
            .arg(place.slot.lock(&place.name))
            .arg(&["token", "owner", "value"])
            .to_owned();
        let (token, owner, value): (Option<u64>, Option<String>, Option<Vec<u8>>) =
            self.link.query(&read).await?;
        if token == Some(claim.token) && owner.as_ref() == Some(&claim.owner) {
            return Ok(value.unwrap_or_default());
        }
        Err(Error::LockLost {
            name: place.name.clone(),
            token: claim.token,
            holder: owner
                .zip(token)
                .map(|(owner, token)| format!("{owner} with token {token}")),
        })
    }

    /// Gives a lock back; tells whether it was held with the claim until now.
    pub(crate) async fn release(
        &self,
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
            .key(place.slot.key("locks"))
            .key(place.slot.did(&once.request_id))
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
        let value: Vec<u8> = reply.take()?;
        if was_held {
            let redlock_key = place.slot.item("redlock", &place.name);
            self.redlock.unlock(&redlock_key, &value).await;
        }
        Ok(was_held)
    }

    /// A page of held locks, in the order of their names, after one; and the name to go on after.
    pub(crate) async fn list(
        &self,
        namespace: &str,
        after: &str,
        count: u32,
    ) -> Result<(Vec<Lock>, Option<String>), Error> {
        let slot = self.keys.namespace(namespace);
        let call = self
            .list
            .call()
            .key(slot.key("locks"))
            .arg(slot.item("lock", ""))
            .arg(after)
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

/// What `grant_lock` answered.
fn granted(place: &Place, owner: &str, purpose: &str, reply: &mut Reply) -> Result<Lock, Error> {
    let token = reply.take()?;
    let (since, expires) = (reply.take()?, reply.take()?);
    Ok(lock(place, owner, purpose, token, since, expires))
}

/// What `look_lock` found: the lock and the milliseconds it has left.
fn held(place: &Place, reply: &mut Reply) -> Result<Option<(Lock, u64)>, Error> {
    if reply.is_over() {
        return Ok(None);
    }
    let left_ms: i64 = reply.take()?;
    let token = reply.take()?;
    let (owner, purpose): (String, String) = (reply.take()?, reply.take()?);
    let (since, expires) = (reply.take()?, reply.take()?);
    let lock = lock(place, &owner, &purpose, token, since, expires);
    Ok(Some((lock, u64::try_from(left_ms).unwrap_or(0))))
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
    Ok(Error::LockLost {
        name: place.name.clone(),
        token: claim.token,
        holder: (!token.is_empty()).then(|| format!("{owner} with token {token}")),
    })
}
