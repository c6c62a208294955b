//! Measures what each kind takes of Redis's memory, for status, doctor and metrics.

use std::time::Duration;

use shim_store::{Error, Store};

use crate::log_once::LogOnce;

/// The pause between two walks over all keys.
const MEASURE_EVERY: Duration = Duration::from_secs(30);

/// Measures until the future is dropped.
pub(super) async fn run(store: &Store) {
    let mut log = LogOnce::default();
    loop {
        log.record("cannot measure the store", measure(store).await);
        tokio::time::sleep(MEASURE_EVERY).await;
    }
}

async fn measure(store: &Store) -> Result<(), Error> {
    match store.sizes.measure().await? {
        Some(sizes) => store.tasks.note_sizes(&sizes).await,
        None => Ok(()),
    }
}
