//! Housekeeping in the background: retention, forgotten idempotency keys, space given back.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;

use crate::config::Retention;
use crate::domain::retention::to_thin;
use crate::error::Error;
use crate::store::{Store, idempotency, pruning, sessions};

/// Between rounds; the first comes a while after the start, which has better things to do.
const INTERVAL: Duration = Duration::from_secs(3600);
const INITIAL_DELAY: Duration = Duration::from_secs(120);
/// Idempotency keys are remembered for so long.
const IDEMPOTENCY_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// Small steps: whoever saves meanwhile waits for one of them.
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
    let thinned = thin_all(store, retention).await?;
    if thinned > 0 {
        store
            .write(0, |db, _| pruning::incremental_vacuum(db, 10 * BATCH))
            .await?;
        tracing::info!(checkpoints = thinned, "retention dropped old contents");
    }
    Ok(())
}

/// Walks the keys on a reader and forgets the old ones: clients choose the keys, so their order tells nothing.
async fn delete_expired_keys(store: &Store) -> Result<(), Error> {
    let before = store.now().minus(IDEMPOTENCY_RETENTION);
    let mut after = String::new();
    loop {
        let from = after.clone();
        let page = store
            .read(move |db| idempotency::page(db, &from, BATCH))
            .await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after.clone_from(last);
        let old: Vec<String> = page
            .into_iter()
            .filter(|(_, at)| *at < before)
            .map(|(id, _)| id)
            .collect();
        if !old.is_empty() {
            store
                .write(0, move |db, _| idempotency::delete(db, &old))
                .await?;
        }
        tokio::time::sleep(BATCH_DELAY).await;
    }
}

async fn thin_all(store: &Store, retention: Retention) -> Result<u64, Error> {
    let (mut after, mut total) = (0, 0);
    loop {
        let batch = store
            .read(move |db| sessions::after_row(db, after, SESSIONS_AT_ONCE))
            .await?;
        let Some(last) = batch.last() else {
            return Ok(total);
        };
        after = last.row_id;
        for stored in batch {
            let (row_id, now) = (stored.row_id, store.now());
            let contents = store.read(move |db| pruning::contents(db, row_id)).await?;
            let thin = to_thin(&contents, retention.keep_all, retention.keep_hourly, now);
            for chunk in thin.chunks(BATCH as usize) {
                let (stored, chunk) = (stored.clone(), chunk.to_vec());
                let dropped = store
                    .write(0, move |db, now| {
                        pruning::thin(db, &stored, &chunk, "retention", now)
                    })
                    .await?;
                total += dropped.checkpoints;
                tokio::time::sleep(BATCH_DELAY).await;
            }
        }
    }
}
