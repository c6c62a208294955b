//! Checks that tests of several crates share. `tests/purity.rs` holds what is true of all crates' domain folders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lifeline;

use std::time::Duration;

pub use lifeline::Lifeline;

/// How long a test waits for an expected event.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// The outcome of `event`, which must arrive within [`TIMEOUT`].
///
/// # Panics
/// If it does not.
pub async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, event)
        .await
        .expect("it comes in time")
}
