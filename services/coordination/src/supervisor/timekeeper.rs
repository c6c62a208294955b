//! What time brings: deadlines, schedules, silence, retention.
//!
//! A sweep tells what is due; each of it is done once, by request ids that are the same whoever does it. They are
//! remembered for two minutes, so what a sweep told is not acted on when it is older than half of that: its supervisor was
//! stopped, and another one went on.

use std::time::Duration;

use shim_store::tasks::Pace;
use shim_store::{Error, Once, Store};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::schedules;
use crate::trouble::Trouble;

/// How often time is looked at.
const SWEEP_EVERY: Duration = Duration::from_millis(200);
/// What was told longer ago may have been done and undone.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// When a sweep was begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told(Instant);

impl Told {
    /// Whether what was told may still be acted on.
    pub(super) fn is_fresh(self) -> bool {
        self.0.elapsed() < FRESH_FOR
    }
}

/// Sweeps, until it is dropped.
pub(super) async fn watch(store: &Store, pace: &Pace) {
    let (mut tick, mut trouble) = (interval(SWEEP_EVERY), Trouble::default());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        trouble.note("cannot keep time", sweep(store, pace).await);
    }
}

/// Does all that is due, though some of it fails; the first failure is told.
async fn sweep(store: &Store, pace: &Pace) -> Result<(), Error> {
    let told = Told(Instant::now());
    let swept = store.tasks.sweep(pace).await?;
    let mut outcome = Ok(());
    for root_id in &swept.expired {
        outcome = outcome.and(expire(store, root_id, told).await);
    }
    for (schedule_id, due_ms) in &swept.due {
        outcome = outcome.and(schedules::run(store, schedule_id, *due_ms, told).await);
    }
    outcome
}

async fn expire(store: &Store, root_id: &str, told: Told) -> Result<(), Error> {
    let once = Once::named(format!("expire {root_id}"));
    if !told.is_fresh() {
        return Ok(());
    }
    match store.tasks.expire(&once, root_id).await {
        Ok(_) | Err(Error::TaskNotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
