//! Housekeeping in the background: forgotten idempotency keys, old outcomes, evolutions beyond the bound.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;

use crate::error::EvolutionError;
use crate::store::Store;

const INTERVAL: Duration = Duration::from_secs(3_600);
/// The start is over by then.
const INITIAL_DELAY: Duration = Duration::from_secs(120);
/// The age at which an idempotency key is forgotten.
const KEYS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Ten half-lives: an older outcome weighs less than a thousandth.
const OUTCOMES_KEPT: Duration = Duration::from_secs(900 * 24 * 3_600);
/// Small steps: a change that comes meanwhile waits for one of them.
const BATCH: u32 = 200;

/// Runs until the shutdown begins. A round that fails is logged and comes again.
pub(crate) async fn run(store: Store, shutdown: Shutdown) {
    let mut wait = INITIAL_DELAY;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = INTERVAL;
        if let Err(error) = run_once(&store).await {
            tracing::warn!(%error, "housekeeping was cut short; it comes again in an hour");
        }
    }
}

async fn run_once(store: &Store) -> Result<(), EvolutionError> {
    let mut after = String::new();
    while let Some(last) = store.forget_answers(after, KEYS_KEPT, BATCH).await? {
        after = last;
    }
    store.forget_outcomes(OUTCOMES_KEPT).await?;
    while store.prune_evolutions(BATCH).await? == BATCH {}
    Ok(())
}
