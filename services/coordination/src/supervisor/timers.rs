//! What time brings: deadlines, schedules, silence, retention.
//!
//! A sweep tells what is due; each of it is done once, by request ids that are the same whoever does it. They are
//! remembered for two minutes, so what a sweep told is not acted on when it is older than half of that: its supervisor was
//! stopped, and another one went on.

use std::time::Duration;

use shim_store::tasks::SweepConfig;
use shim_store::{Error, IdempotencyKey, Store};
use tokio::time::{MissedTickBehavior, interval};

use super::schedules;
use super::sweep_start::SweepStart;
use crate::log_once::LogOnce;

/// How often time is looked at.
const SWEEP_EVERY: Duration = Duration::from_millis(200);
/// Sweeps, until it is dropped.
pub(super) async fn run(store: &Store, sweep_config: &SweepConfig) {
    let (mut tick, mut log) = (interval(SWEEP_EVERY), LogOnce::default());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        log.record("cannot keep time", sweep(store, sweep_config).await);
    }
}

/// Does all that is due, though some of it fails; the first failure is told.
async fn sweep(store: &Store, sweep_config: &SweepConfig) -> Result<(), Error> {
    let started = SweepStart::now();
    let swept = store.tasks.sweep(sweep_config).await?;
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
