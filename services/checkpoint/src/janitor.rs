//! Housekeeping in the background: retention, forgotten idempotency keys, space given back.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;

use crate::config::Retention;
use crate::domain::retention::to_thin;
use crate::error::Error;
use crate::store::{Store, ledger, pruning, sessions};

/// Between rounds; the first comes a while after the start, which has better things to do.
const ROUND: Duration = Duration::from_secs(3600);
const FIRST: Duration = Duration::from_secs(120);
/// Idempotency keys are remembered for so long.
const REMEMBER_REQUESTS: Duration = Duration::from_secs(24 * 3600);
/// Small steps: whoever saves meanwhile waits for one of them.
const STEP: u32 = 200;
const SESSIONS_AT_ONCE: u32 = 50;
const PAUSE: Duration = Duration::from_millis(5);

/// Runs until the shutdown begins. A round that fails is logged and comes again.
pub(crate) async fn run(store: Store, retention: Retention, shutdown: Shutdown) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = ROUND;
        if let Err(error) = round(&store, retention).await {
            tracing::warn!(%error, "housekeeping was cut short; it comes again in an hour");
        }
    }
}

async fn round(store: &Store, retention: Retention) -> Result<(), Error> {
    forget_requests(store).await?;
    let thinned = thin_all(store, retention).await?;
    if thinned > 0 {
        store
            .write(0, |db, _| pruning::give_back_space(db, 10 * STEP))
            .await?;
        tracing::info!(checkpoints = thinned, "retention dropped old contents");
    }
    Ok(())
}

/// Walks the keys on a reader and forgets the old ones: clients choose the keys, so their order tells nothing.
async fn forget_requests(store: &Store) -> Result<(), Error> {
    let before = store.now().before(REMEMBER_REQUESTS);
    let mut after = String::new();
    loop {
        let from = after.clone();
        let page = store.read(move |db| ledger::page(db, &from, STEP)).await?;
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
                .write(0, move |db, _| ledger::forget(db, &old))
                .await?;
        }
        tokio::time::sleep(PAUSE).await;
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
            for step in thin.chunks(STEP as usize) {
                let (stored, step) = (stored.clone(), step.to_vec());
                let dropped = store
                    .write(0, move |db, now| {
                        pruning::thin(db, &stored, &step, "retention", now)
                    })
                    .await?;
                total += dropped.checkpoints;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
