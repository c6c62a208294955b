//! Whether the service can keep changes, told to the probes: the outcome of the newest commit, and of a try while it is in
//! doubt.
//!
//! Nothing is written while all is well. A disk that is full is noticed before the next save, and a service that cannot save
//! tries again by itself, so that it is ready as soon as there is room.

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::Readiness;
use shim_sqlite::SqliteError;

use crate::store::Store;

/// Between two looks at the disk,
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// and between two tries while it is in doubt.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Keeps the readiness of the gRPC services `names` until the shutdown begins.
pub(crate) async fn run(
    store: Store,
    names: &'static [&'static str],
    readiness: Readiness,
    shutdown: Shutdown,
) {
    let mut failure = store.failure();
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            changed = failure.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {
                let in_doubt = failure.borrow().is_some() || store.is_nearly_full();
                pause = if in_doubt { TRY_EVERY } else { LOOK_EVERY };
                if in_doubt && let Err(error) = store.try_writing().await {
                    tracing::debug!(%error, "changes cannot be kept");
                }
            }
        }
        let state = match &*failure.borrow_and_update() {
            None => Ok(()),
            Some(error) => {
                pause = pause.min(TRY_EVERY);
                Err(reason(error))
            }
        };
        for name in names {
            readiness.set(name, state.clone());
        }
    }
}

/// In one line without paths, since everyone who reaches the probes reads it.
fn reason(error: &SqliteError) -> String {
    match error {
        SqliteError::DiskFull => "the disk of the data folder is full; nothing can be saved".into(),
        SqliteError::Replaced(_) => {
            "the database was removed or replaced under the service; nothing can be saved".into()
        }
        _ => "the database cannot be written; the log says why".into(),
    }
}
