//! The supervisor: one process at a time watches over all tasks.
//!
//! It gives on what dead workers had, ends jobs whose deadline passed, runs schedules, takes over what other programs'
//! workers did, and carries over what nobody carried. The one that holds the lock "supervisor" does it; each step is a
//! script that two may run at once, so a supervisor that was stopped and wakes up late does no harm.

mod deaths;
mod foreigners;
mod schedules;
mod timekeeper;

use shim_runtime::lifecycle::Shutdown;
use shim_store::Store;
use shim_store::tasks::Pace;

use crate::config::Tasks as Settings;
use crate::leader::Leader;

/// The background task. Errors never end it: Redis comes back, and then it goes on.
pub(crate) struct Supervisor {
    store: Store,
    pace: Pace,
    leader: Leader,
    shutdown: Shutdown,
}

impl Supervisor {
    pub(crate) fn new(store: Store, settings: &Settings, shutdown: Shutdown) -> Self {
        let slot = store.tasks.slot().clone();
        Self {
            leader: Leader::new(store.clone(), slot, "supervisor", shutdown.clone()),
            store,
            pace: Pace {
                stuck_after: settings.stuck_after,
                keep: settings.keep,
                keep_jobs: settings.keep_jobs,
            },
            shutdown,
        }
    }

    /// Supervises whenever nobody else does, until the shutdown.
    pub(crate) async fn run(mut self) {
        while let Some(term) = self.leader.lead().await {
            tokio::select! {
                lost = term.lost() => tracing::debug!(%lost, "another process may supervise"),
                () = self.supervise() => {}
                () = self.shutdown.wait() => {}
            }
            term.end().await;
        }
    }

    /// Side by side, so that a death does not wait for what takes long.
    async fn supervise(&self) {
        tokio::join!(
            deaths::watch(&self.store),
            timekeeper::watch(&self.store, &self.pace),
            foreigners::watch(&self.store),
        );
    }
}
