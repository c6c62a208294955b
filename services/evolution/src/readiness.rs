//! Whether the service can keep changes, told to the probes: the outcome of the newest commit, and of a try while it is in
//! doubt.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Readiness;

use crate::evolver::Evolver;

/// Between two looks at the disk,
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// and between two tries while it is in doubt.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Keeps the readiness of the gRPC service `name` until the shutdown begins.
pub(crate) async fn run(
    evolver: Evolver,
    name: &'static str,
    readiness: Readiness,
    shutdown: Shutdown,
) {
    let store = evolver.store.clone();
    let mut failure = store.failure();
    let mut is_short = false;
    loop {
        let is_failing = failure.borrow_and_update().is_some();
        let pause = if is_failing || is_short {
            TRY_EVERY
        } else {
            LOOK_EVERY
        };
        let state = match is_failing {
            false => Ok(()),
            true => Err("the database of evolutions cannot be written; the log says why".into()),
        };
        readiness.set(name, state);
        tokio::select! {
            () = shutdown.wait() => return,
            changed = failure.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {
                is_short = store.is_nearly_full();
                if !is_failing && !is_short {
                    continue;
                }
                match store.try_writing().await {
                    // What ended meanwhile could not be noted.
                    Ok(()) if is_failing => note_ends(&evolver).await,
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "changes cannot be kept"),
                }
            }
        }
    }
}

async fn note_ends(evolver: &Evolver) {
    evolver.settle_reversions().await;
    if let Err(error) = evolver.settle_all().await {
        tracing::debug!(%error, "evolutions that ended are told as being applied for now");
    }
}
