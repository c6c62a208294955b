//! Housekeeping in the background: retention, forgotten idempotency keys, space given back.

use std::time::Duration;

use shim_proto::limits::observation::EVENTS_KEPT_FOR;
use shim_runtime::lifecycle::Shutdown;

use crate::config::Retention;
use crate::domain::retention::to_thin;
use crate::domain::session_tasks::held_numbers;
use crate::error::Error;
use crate::store::{Store, StoredSession};

/// Between rounds. The first round waits until the start and the first saves are over.
const INTERVAL: Duration = Duration::from_secs(3600);
const INITIAL_DELAY: Duration = Duration::from_secs(120);
/// The age at which an idempotency key is forgotten.
const IDEMPOTENCY_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Small steps: a save that comes meanwhile waits for one of them.
const BATCH: u32 = 200;
const SESSIONS_AT_ONCE: u32 = 50;
const BATCH_DELAY: Duration = Duration::from_millis(5);

/// Runs until the shutdown begins. A round that fails is logged and comes again.
pub(crate) async fn run(store: Store, retention: Retention, shutdown: Shutdown) {
    let mut wait = INITIAL_DELAY;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = INTERVAL;
        if let Err(error) = run_once(&store, retention).await {
            tracing::warn!(%error, "housekeeping was cut short; it comes again in an hour");
        }
    }
}

async fn run_once(store: &Store, retention: Retention) -> Result<(), Error> {
    delete_expired_keys(store).await?;
    forget_old_events(store).await?;
    let thinned = thin_all(store, retention).await?;
    if thinned > 0 {
        store.release_pages(10 * BATCH).await?;
        tracing::info!(checkpoints = thinned, "retention dropped old contents");
    }
    Ok(())
}

/// Walks all keys: clients choose them, so their order says nothing about their age.
async fn delete_expired_keys(store: &Store) -> Result<(), Error> {
    let before = store.now().minus(IDEMPOTENCY_RETENTION);
    let mut after = String::new();
    while let Some(last) = store.forget_answers(after, before, BATCH).await? {
        after = last;
        tokio::time::sleep(BATCH_DELAY).await;
    }
    Ok(())
}

/// What they came to stays; only that they came is forgotten.
async fn forget_old_events(store: &Store) -> Result<(), Error> {
    let (until, mut after) = (store.now().minus(EVENTS_KEPT_FOR), 0);
    while let Some(last) = store.forget_events(after, until, SESSIONS_AT_ONCE).await? {
        after = last;
        tokio::time::sleep(BATCH_DELAY).await;
    }
    Ok(())
}

async fn thin_all(store: &Store, retention: Retention) -> Result<u64, Error> {
    let (mut after, mut total) = (0, 0);
    loop {
        let batch = store.sessions_after(after, SESSIONS_AT_ONCE).await?;
        let Some(last) = batch.last() else {
            return Ok(total);
        };
        after = last.row_id;
        for stored in batch {
            total += thin_session(store, &stored, retention).await?;
        }
    }
}

async fn thin_session(
    store: &Store,
    stored: &StoredSession,
    retention: Retention,
) -> Result<u64, Error> {
    let contents = store.contents(stored.row_id).await?;
    let (keep_all, keep_hourly) = (retention.keep_all, retention.keep_hourly);
    let held = held_numbers(&stored.session);
    let old = to_thin(&contents, &held, keep_all, keep_hourly, store.now());
    let mut total = 0;
    for chunk in old.chunks(BATCH as usize) {
        total += store.thin(stored.clone(), chunk.to_vec()).await?;
        tokio::time::sleep(BATCH_DELAY).await;
    }
    Ok(total)
}
