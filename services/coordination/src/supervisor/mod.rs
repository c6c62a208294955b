//! The supervisor: one process at a time supervises all tasks.
//!
//! It releases the tasks of gone workers, ends jobs whose deadline passed, runs schedules, reads what workers of other
//! programs did, and relays outbox entries that no other process relayed. The process that holds the lock "supervisor" leads.
//! Each step is a script that two processes may run at once, so a supervisor that was suspended and resumes does no harm.

mod external_workers;
mod gone_workers;
mod schedules;
mod sizes;
mod sweep_start;
mod timers;

use shim_runtime::lifecycle::Shutdown;
use shim_store::Store;
use shim_store::tasks::SweepConfig;

use crate::attention::Attention;
use crate::config::TaskSettings;
use crate::leader::Leader;

/// The background task. No error ends it: it goes on when Redis is back.
pub(crate) struct Supervisor {
    store: Store,
    sweep_config: SweepConfig,
    leader: Leader,
    attention: Attention,
    shutdown: Shutdown,
}

impl Supervisor {
    pub(crate) fn new(
        store: Store,
        settings: &TaskSettings,
        attention: Attention,
        shutdown: Shutdown,
    ) -> Self {
        let slot = store.tasks.slot().clone();
        Self {
            leader: Leader::new(store.clone(), slot, "supervisor", shutdown.clone()),
            store,
            sweep_config: SweepConfig {
                stuck_after: settings.stuck_after,
                keep: settings.retention,
                keep_jobs: settings.max_finished_jobs,
                keep_dead_letters: settings.max_dead_letters,
            },
            attention,
            shutdown,
        }
    }

    /// Supervises whenever this process leads and there is something to supervise, until the shutdown.
    pub(crate) async fn run(mut self) {
        while let Some(term) = self.leader.lead_when_needed(&self.attention).await {
            tokio::select! {
                lost = term.renew_until_lost() => tracing::debug!(%lost, "another process may supervise"),
                () = self.supervise() => {}
                () = self.attention.not_needed() => {}
                () = self.shutdown.wait() => {}
            }
            term.end().await;
        }
    }

    /// Runs the parts concurrently, so that a slow part does not delay the release of tasks.
    async fn supervise(&self) {
        tokio::join!(
            gone_workers::run(&self.store),
            timers::run(&self.store, &self.sweep_config),
            external_workers::run(&self.store),
            sizes::run(&self.store),
        );
    }
}
