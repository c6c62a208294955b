//! The supervisor: one process at a time watches over all tasks.
//!
//! It gives on what dead workers had, ends jobs whose deadline passed, runs schedules, takes over what other programs'
//! workers did, and carries over what nobody carried. The one that holds the lock "supervisor" does it; each step is a
//! script that two may run at once, so a supervisor that was stopped and wakes up late does no harm.

mod external_workers;
mod gone_workers;
mod schedules;
mod sweep_start;
mod timers;

use shim_runtime::lifecycle::Shutdown;
use shim_store::Store;
use shim_store::tasks::SweepConfig;

use crate::config::TaskSettings;
use crate::leader::Leader;

/// The background task. Errors never end it: Redis comes back, and then it goes on.
pub(crate) struct Supervisor {
    store: Store,
    sweep_config: SweepConfig,
    leader: Leader,
    shutdown: Shutdown,
}

impl Supervisor {
    pub(crate) fn new(store: Store, settings: &TaskSettings, shutdown: Shutdown) -> Self {
        let slot = store.tasks.slot().clone();
        Self {
            leader: Leader::new(store.clone(), slot, "supervisor", shutdown.clone()),
            store,
            sweep_config: SweepConfig {
                stuck_after: settings.stuck_after,
                keep: settings.retention,
                keep_jobs: settings.max_finished_jobs,
            },
            shutdown,
        }
    }

    /// Supervises whenever nobody else does, until the shutdown.
    pub(crate) async fn run(mut self) {
        while let Some(term) = self.leader.lead().await {
            tokio::select! {
                lost = term.renew_until_lost() => tracing::debug!(%lost, "another process may supervise"),
                () = self.supervise() => {}
                () = self.shutdown.wait() => {}
            }
            term.end().await;
        }
    }

    /// Side by side, so that a death does not wait for what takes long.
    async fn supervise(&self) {
        tokio::join!(
            gone_workers::run(&self.store),
            timers::run(&self.store, &self.sweep_config),
            external_workers::run(&self.store),
        );
    }
}
