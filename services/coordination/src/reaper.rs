//! The reaper: finds the workers that fell silent and declares them dead.
//!
//! Every process has one; the one that holds the registry's lock "reaper" sweeps, and each sweep proves the lock inside
//! the store, so a reaper that was stopped for too long kills nobody. It ends with the service and gives the lock back.

use std::time::Duration;

use shim_proto::coordination::v1::Fence;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use tokio::time::{MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use crate::error::Error;
use crate::store::locks::{Claim, Place, Wish};
use crate::store::registry::SWEEP;
use crate::store::{Once, Store};

const LOCK: &str = "reaper";
/// A leader that dies is followed by another after this.
const TTL: Duration = Duration::from_secs(1);
const RENEW_EVERY: Duration = Duration::from_millis(250);
/// How often the others try to lead, give or take a half so that they do not try in step.
const TRY_EVERY: Duration = Duration::from_millis(200);

/// How the living are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// Silence longer than this is death.
    dead_after: Duration,
    /// How late a death may be found.
    sweep_every: Duration,
}

impl Pace {
    fn of(dead_after: Duration) -> Self {
        Self {
            dead_after,
            sweep_every: (dead_after / 8).min(Duration::from_millis(250)),
        }
    }
}

/// The background task. Errors never end it: Redis comes back, and then it goes on.
pub(crate) struct Reaper {
    store: Store,
    pace: Pace,
    place: Place,
    owner: String,
    shutdown: Shutdown,
    /// Whether it is in trouble that was told already.
    is_troubled: bool,
}

impl Reaper {
    pub(crate) fn new(store: Store, dead_after: Duration, shutdown: Shutdown) -> Self {
        let place = Place {
            slot: store.registry.slot().clone(),
            // No caller's namespace is empty, so none sees the lock.
            namespace: String::new(),
            name: LOCK.to_owned(),
        };
        Self {
            store,
            pace: Pace::of(dead_after),
            place,
            owner: format!("{}:{}", process::hostname(), std::process::id()),
            shutdown,
            is_troubled: false,
        }
    }

    /// Leads whenever nobody else does, until the shutdown.
    pub(crate) async fn run(mut self) {
        while !self.shutdown.is_begun() {
            match self.acquire().await {
                Ok(claim) => self.lead(&claim).await,
                Err(Error::NoRedis) => return,
                Err(Error::LockHeld { .. }) => self.is_troubled = false,
                Err(error) => self.note("cannot lead", &error),
            }
            tokio::select! {
                () = sleep(TRY_EVERY.mul_f64(rand::random_range(0.5..1.5))) => {}
                () = self.shutdown.wait() => {}
            }
        }
    }

    async fn lead(&mut self, claim: &Claim) {
        tracing::debug!(
            owner = self.owner,
            token = claim.token,
            "this process reaps"
        );
        if let Err(error) = self.sweep_while_leading(claim).await {
            tracing::debug!(%error, "another process may reap");
            return;
        }
        let locks = &self.store.locks;
        if let Err(error) = locks.release(&once(), &self.place, claim).await {
            tracing::debug!(%error, "the reaper's lock goes with its time");
        }
    }

    /// Returns `Ok` at the shutdown, an error if the lock is lost.
    async fn sweep_while_leading(&mut self, claim: &Claim) -> Result<(), Error> {
        let mut renew = interval(RENEW_EVERY);
        let mut sweep = interval(self.pace.sweep_every);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = self.shutdown.wait() => return Ok(()),
                _ = renew.tick() => self.renew(claim).await,
                _ = sweep.tick() => self.sweep(claim).await,
            };
            match done {
                Ok(()) => self.is_troubled = false,
                Err(lost @ (Error::LockLost { .. } | Error::StaleFence { .. })) => {
                    return Err(lost);
                }
                Err(error) => self.note("cannot reap", &error),
            }
        }
    }

    async fn acquire(&self) -> Result<Claim, Error> {
        let wish = Wish {
            once: once(),
            place: self.place.clone(),
            owner: self.owner.clone(),
            purpose: "finds dead workers".to_owned(),
            ttl: TTL,
            even_if_full: true,
        };
        let lock = self.store.locks.acquire(&wish).await?;
        Ok(Claim {
            owner: lock.owner,
            token: lock.fencing_token,
        })
    }

    async fn renew(&self, claim: &Claim) -> Result<(), Error> {
        self.store
            .locks
            .renew(&self.place, claim, TTL)
            .await
            .map(drop)
    }

    async fn sweep(&self, claim: &Claim) -> Result<(), Error> {
        let fence = Fence {
            lock: LOCK.to_owned(),
            token: claim.token,
        };
        let registry = &self.store.registry;
        loop {
            let swept = registry.reap(&fence, self.pace.dead_after).await?;
            if swept.died > 0 {
                tracing::info!(workers = swept.died, "workers fell silent and are dead");
            }
            if swept.died < SWEEP && swept.forgotten < SWEEP {
                return Ok(());
            }
        }
    }

    /// Tells trouble once; that Redis is away is told by its connection.
    fn note(&mut self, what: &str, error: &Error) {
        if self.is_troubled || matches!(error, Error::Unavailable(_)) {
            tracing::debug!(%error, "{what}");
        } else {
            tracing::warn!(%error, "{what}; trying again");
        }
        self.is_troubled = true;
    }
}

fn once() -> Once {
    Once {
        request_id: Uuid::now_v7().to_string(),
        fingerprint: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::registry::stall;

    #[test]
    fn a_pause_below_the_stall_kills_nobody_who_beats_on_time() {
        for dead_after_ms in [200, 600, 5_000, 3_600_000] {
            let dead_after = Duration::from_millis(dead_after_ms);
            let slowest_heartbeat = dead_after / 2;
            let (pace, stall) = (Pace::of(dead_after), stall(dead_after));
            assert!(stall + slowest_heartbeat <= dead_after, "{stall:?}");
            assert!(pace.sweep_every * 2 < stall, "{pace:?}");
        }
    }

    #[test]
    fn a_killed_leader_is_followed_within_the_stall() {
        let pace = Pace::of(Duration::from_secs(5));
        let gap = pace.sweep_every + TTL + TRY_EVERY.mul_f64(1.5);
        assert!(gap < stall(pace.dead_after), "{gap:?}");
        assert!(RENEW_EVERY * 3 < TTL);
    }
}
