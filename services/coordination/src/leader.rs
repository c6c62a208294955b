//! Leading: of all processes over one store, the one that holds a lock does what only one should do.
//!
//! Whoever leads goes on until the shutdown, or until the lock could not be renewed and may be another's. What is done
//! under it must do no harm when two believe that they lead; the fencing token is there for what would.

use std::time::Duration;

use shim_runtime::ids::FencingToken;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use shim_store::locks::{AcquireRequest, LockOwnership, LockRef};
use shim_store::{Error, Fence, IdempotencyKey, Slot, Store};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::log_once::LogOnce;

/// A leader that dies is followed by another after this.
pub(crate) const TTL: Duration = Duration::from_secs(1);
pub(crate) const RENEW_EVERY: Duration = Duration::from_millis(250);
/// How often the others try to lead, give or take a half so that they do not try in step.
pub(crate) const TRY_EVERY: Duration = Duration::from_millis(200);

/// One who would lead.
pub(crate) struct Leader {
    store: Store,
    lock_ref: LockRef,
    owner: String,
    shutdown: Shutdown,
    log: LogOnce,
}

/// The time in which one leads.
pub(crate) struct Term {
    store: Store,
    lock_ref: LockRef,
    ownership: LockOwnership,
}

impl Leader {
    /// For what the lock of this name in the slot stands for.
    pub(crate) fn new(store: Store, slot: Slot, lock: &str, shutdown: Shutdown) -> Self {
        Self {
            store,
            lock_ref: LockRef {
                slot,
                // No caller's namespace is empty, so none sees the lock.
                namespace: String::new(),
                name: lock.to_owned(),
            },
            owner: format!("{}:{}", process::hostname(), std::process::id()),
            shutdown,
            log: LogOnce::default(),
        }
    }

    /// Waits until it leads; `None` at the shutdown, or if there is no store to lead over.
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
    /// What proves the lock inside the store.
    pub(crate) fn fence(&self) -> Fence {
        Fence {
            lock: self.lock_ref.name.clone(),
            token: self.ownership.token,
        }
    }

    /// Keeps the lock; returns when it is lost.
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
                Err(error) => tracing::debug!(%error, "the lock was not renewed; trying again"),
            }
        }
    }

    /// Gives the lock back.
    pub(crate) async fn end(self) {
        let released = self
            .store
            .locks
            .release(&IdempotencyKey::fresh(), &self.lock_ref, &self.ownership)
            .await;
        if let Err(error) = released {
            tracing::debug!(%error, "the lock goes with its time");
        }
    }
}
