//! What becomes due by time: deadlines, schedules, stuck tasks, retention.
//!
//! A sweep finds what is due. Each finding is acted on once: its request id depends on the finding alone, not on the process.
//! The store remembers request ids for two minutes, so a supervisor drops findings older than half of that: it was suspended,
//! and another supervisor may have led meanwhile.

use std::time::Duration;

use shim_store::tasks::SweepConfig;
use shim_store::{Error, IdempotencyKey, Store};
use tokio::time::{MissedTickBehavior, interval};

use super::schedules;
use super::sweep_start::SweepStart;
use crate::log_once::LogOnce;

/// The time between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_millis(200);

/// Sweeps until the future is dropped.
pub(super) async fn run(store: &Store, sweep_config: &SweepConfig) {
    let (mut tick, mut log) = (interval(SWEEP_EVERY), LogOnce::default());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        log.record("cannot sweep the timers", sweep(store, sweep_config).await);
    }
}

/// Acts on everything that is due even if some of it fails; returns the first failure.
async fn sweep(store: &Store, sweep_config: &SweepConfig) -> Result<(), Error> {
    let started = SweepStart::now();
    let swept = store.tasks.sweep(sweep_config).await?;
    if !swept.buried.is_empty() {
        tracing::warn!(
            jobs = swept.buried.join(" "),
            keep_dead_letters = sweep_config.keep_dead_letters,
            "jobs were forgotten with their dead letters, of which there were too many: retry them sooner, or raise \
             tasks.keep_dead_letters"
        );
    }
    let mut outcome = Ok(());
    for root_id in &swept.expired {
        outcome = outcome.and(expire(store, root_id, started).await);
    }
    for (schedule_id, due_ms) in &swept.due {
        outcome =
            outcome.and(schedules::submit_due_run(store, schedule_id, *due_ms, started).await);
    }
    outcome
}

async fn expire(store: &Store, root_id: &str, started: SweepStart) -> Result<(), Error> {
    let idempotency_key = IdempotencyKey::named(format!("expire {root_id}"));
    if !started.is_fresh() {
        return Ok(());
    }
    match store.tasks.expire(&idempotency_key, root_id).await {
        Ok(_) | Err(Error::TaskNotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
