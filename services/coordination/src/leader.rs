//! Leader election: of all processes over one store, the one that holds a lock runs the work that one process should run.
//!
//! A leader leads until the shutdown, or until its lock is lost. Two processes may believe at the same time that they lead,
//! so the work under the lock must be harmless when it runs twice, or must prove the lock by its fencing token.

use std::time::Duration;

use shim_runtime::ids::FencingToken;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use shim_store::locks::{AcquireRequest, LockOwnership, LockRef};
use shim_store::{Error, Fence, IdempotencyKey, Slot, Store};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::attention::Attention;
use crate::log_once::LogOnce;

/// How long the lock is held without renewal: the time after which a dead leader can be followed.
pub(crate) const TTL: Duration = Duration::from_secs(1);
/// How often a leader renews its lock.
pub(crate) const RENEW_EVERY: Duration = Duration::from_millis(250);
/// How often the other processes try to lead. Half of it is jitter, so that they do not try in step.
pub(crate) const TRY_EVERY: Duration = Duration::from_millis(200);

/// A candidate for one lock.
pub(crate) struct Leader {
    store: Store,
    lock_ref: LockRef,
    owner: String,
    shutdown: Shutdown,
    log: LogOnce,
}

/// The time in which a process leads: it holds the lock.
pub(crate) struct Term {
    store: Store,
    lock_ref: LockRef,
    ownership: LockOwnership,
}

impl Leader {
    /// A candidate for the lock of this name in the slot.
    pub(crate) fn new(store: Store, slot: Slot, lock: &str, shutdown: Shutdown) -> Self {
        Self {
            store,
            lock_ref: LockRef {
                slot,
                // The namespace of a request is never empty, so no client reaches the lock.
                namespace: String::new(),
                name: lock.to_owned(),
            },
            owner: format!("{}:{}", process::hostname(), std::process::id()),
            shutdown,
            log: LogOnce::default(),
        }
    }

    /// Waits until leading is of use, and then as [`Leader::lead`].
    pub(crate) async fn lead_when_needed(&mut self, attention: &Attention) -> Option<Term> {
        tokio::select! {
            () = attention.needed() => {}
            () = self.shutdown.wait() => return None,
        }
        self.lead().await
    }

    /// Waits until this process leads; `None` at the shutdown, or if no Redis is configured.
    pub(crate) async fn lead(&mut self) -> Option<Term> {
        while !self.shutdown.is_begun() {
            match self.acquire().await {
                Ok(ownership) => {
                    tracing::debug!(
                        lock = self.lock_ref.name,
                        token = ownership.token.0,
                        "this process leads"
                    );
                    return Some(Term {
                        store: self.store.clone(),
                        lock_ref: self.lock_ref.clone(),
                        ownership,
                    });
                }
                Err(Error::NoRedis) => return None,
                Err(Error::LockHeld { .. }) => self.log.record("cannot lead", Ok(())),
                Err(error) => self.log.record("cannot lead", Err(error)),
            }
            tokio::select! {
                () = sleep(TRY_EVERY.mul_f64(rand::random_range(0.5..1.5))) => {}
                () = self.shutdown.wait() => {}
            }
        }
        None
    }

    async fn acquire(&self) -> Result<LockOwnership, Error> {
        let request = AcquireRequest {
            idempotency_key: IdempotencyKey::fresh(),
            lock_ref: self.lock_ref.clone(),
            owner: self.owner.clone(),
            purpose: format!("leads as {}", self.lock_ref.name),
            ttl: TTL,
            even_if_full: true,
        };
        let lock = self.store.locks.acquire(&request).await?;
        Ok(LockOwnership {
            owner: lock.owner,
            token: FencingToken(lock.fencing_token),
        })
    }
}

impl Term {
    /// Proof of the lock, which the store checks.
    pub(crate) fn fence(&self) -> Fence {
        Fence {
            lock: self.lock_ref.name.clone(),
            token: self.ownership.token,
        }
    }

    /// Renews the lock; returns when the lock is lost.
    pub(crate) async fn renew_until_lost(&self) -> Error {
        let mut renew = interval(RENEW_EVERY);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            renew.tick().await;
            match self
                .store
                .locks
                .renew(&self.lock_ref, &self.ownership, TTL)
                .await
            {
                Ok(_) => {}
                Err(lost @ (Error::LockLost { .. } | Error::StaleFence { .. })) => return lost,
                Err(error) => tracing::debug!(%error, "cannot renew the lock; trying again"),
            }
        }
    }

    /// Releases the lock.
    pub(crate) async fn end(self) {
        let released = self
            .store
            .locks
            .release(&IdempotencyKey::fresh(), &self.lock_ref, &self.ownership)
            .await;
        if let Err(error) = released {
            tracing::debug!(%error, "cannot release the lock; it ends with its time");
        }
    }
}
