//! The reaper: declares workers dead whose heartbeats stopped.
//!
//! Every process has a reaper; the one that holds the registry's lock "reaper" sweeps. The store checks that lock in every
//! sweep, so a reaper that was suspended for longer than its lock declares no worker dead. At the shutdown it releases the
//! lock.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_store::registry::SWEEP;
use shim_store::{Error, Store};
use tokio::time::{MissedTickBehavior, interval};

use crate::attention::Attention;
use crate::leader::{Leader, Term};
use crate::log_once::LogOnce;

const LOCK: &str = "reaper";

/// How often the reaper sweeps, and what it looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SweepTiming {
    /// A worker without a heartbeat for longer is dead.
    dead_after: Duration,
    /// The time between two sweeps: how late a death may be found.
    sweep_every: Duration,
}

impl SweepTiming {
    fn of(dead_after: Duration) -> Self {
        Self {
            dead_after,
            sweep_every: (dead_after / 8).min(Duration::from_millis(250)),
        }
    }
}

/// The background task. No error ends it: it sweeps again when Redis is back.
pub(crate) struct Reaper {
    store: Store,
    timing: SweepTiming,
    leader: Leader,
    attention: Attention,
    shutdown: Shutdown,
}

impl Reaper {
    pub(crate) fn new(
        store: Store,
        dead_after: Duration,
        attention: Attention,
        shutdown: Shutdown,
    ) -> Self {
        let slot = store.registry.slot().clone();
        Self {
            leader: Leader::new(store.clone(), slot, LOCK, shutdown.clone()),
            store,
            timing: SweepTiming::of(dead_after),
            attention,
            shutdown,
        }
    }

    /// Sweeps whenever this process leads and there may be a worker, until the shutdown.
    pub(crate) async fn run(mut self) {
        while let Some(term) = self.leader.lead_when_needed(&self.attention).await {
            let shutdown = self.shutdown.clone();
            tokio::select! {
                lost = term.renew_until_lost() => tracing::debug!(%lost, "another process may reap"),
                lost = self.sweep_while_leading(&term) => tracing::debug!(%lost, "another process may reap"),
                () = self.attention.not_needed() => {}
                () = shutdown.wait() => {}
            }
            term.end().await;
        }
    }

    /// Sweeps at each interval; returns when the lock is lost.
    async fn sweep_while_leading(&self, term: &Term) -> Error {
        let mut sweep = interval(self.timing.sweep_every);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut log = LogOnce::default();
        loop {
            sweep.tick().await;
            match self.sweep(term).await {
                Err(lost @ (Error::LockLost { .. } | Error::StaleFence { .. })) => return lost,
                done => log.record("cannot reap", done),
            }
        }
    }

    async fn sweep(&self, term: &Term) -> Result<(), Error> {
        let fence = term.fence();
        let registry = &self.store.registry;
        loop {
            let swept = registry.reap(&fence, self.timing.dead_after).await?;
            if swept.died > 0 {
                tracing::info!(workers = swept.died, "workers fell silent and are dead");
            }
            if swept.died < SWEEP && swept.forgotten < SWEEP {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::{RENEW_EVERY, TRY_EVERY, TTL};
    use shim_store::registry::stall;

    #[test]
    fn a_pause_below_the_stall_kills_no_worker_with_timely_heartbeats() {
        for dead_after_ms in [200, 600, 5_000, 3_600_000] {
            let dead_after = Duration::from_millis(dead_after_ms);
            let slowest_heartbeat = dead_after / 2;
            let (timing, stall) = (SweepTiming::of(dead_after), stall(dead_after));
            assert!(stall + slowest_heartbeat <= dead_after, "{stall:?}");
            assert!(timing.sweep_every * 2 < stall, "{timing:?}");
        }
    }

    #[test]
    fn a_killed_leader_is_followed_within_the_stall() {
        let timing = SweepTiming::of(Duration::from_secs(5));
        let gap = timing.sweep_every + TTL + TRY_EVERY.mul_f64(1.5);
        assert!(gap < stall(timing.dead_after), "{gap:?}");
        assert!(RENEW_EVERY * 3 < TTL);
    }
}
