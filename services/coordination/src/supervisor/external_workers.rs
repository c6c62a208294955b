//! Workers of other programs: their claims and results are read from BullMQ's events, queue by queue.

use std::time::Duration;

use shim_store::{Error, Store};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::log_once::LogOnce;

/// How often BullMQ's events are read.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// How often BullMQ's old events and finished jobs are trimmed.
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// Follows all queues until the future is dropped.
pub(super) async fn run(store: &Store) {
    let (mut tick, mut log) = (interval(FOLLOW_EVERY), LogOnce::default());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trimmed_at: Option<Instant> = None;
    loop {
        tick.tick().await;
        let is_trim_due = trimmed_at.is_none_or(|at| at.elapsed() > TRIM_EVERY);
        if is_trim_due {
            trimmed_at = Some(Instant::now());
        }
        log.record(
            "cannot follow BullMQ",
            follow_queues(store, is_trim_due).await,
        );
    }
}

/// Follows every queue that has news, even if some of them fail; returns the first failure.
async fn follow_queues(store: &Store, trims: bool) -> Result<(), Error> {
    let classes = store.tasks.classes().await?;
    let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
    let mut outcome = Ok(());
    for queue in store.tasks.with_unread_events(&names).await? {
        outcome = outcome.and(store.tasks.follow(queue).await);
    }
    if trims {
        for queue in names {
            outcome = outcome.and(store.tasks.trim(queue).await);
        }
    }
    outcome
}
