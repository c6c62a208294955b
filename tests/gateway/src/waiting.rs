//! Waiting for what must come in time.

use std::time::Duration;

/// How long a story waits for an expected event.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// The outcome of an event that must arrive in time.
///
/// # Panics
/// If it does not.
pub async fn within<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, event)
        .await
        .expect("it comes in time")
}

/// Asks until it is so.
///
/// # Panics
/// If it does not become so in time.
pub async fn until(is_so: impl AsyncFn() -> bool) {
    within(async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
