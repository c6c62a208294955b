//! Reads schedules beside the threads of the runtime, few at a time and within a time.
//!
//! The cron library searches for the next run on the thread that asks. One hard schedule must not hold up heartbeats and
//! deadlines, so every schedule is read here: when it is submitted, when it is retried and when a run is due.

use std::time::Duration;

use tokio::sync::Semaphore;

/// A schedule that takes longer is refused; the usual one takes microseconds.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// A reading that takes too long goes on until it ends, so at most so many threads are lost to it.
static READERS: Semaphore = Semaphore::const_new(2);

/// The schedule could not be read in time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes too long to read: write it with fewer items")]
pub(crate) struct TooSlow;

/// Runs `reading` on a thread of its own.
///
/// # Errors
/// If it takes longer than a second, or panics.
pub(crate) async fn read<T: Send + 'static>(
    reading: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TooSlow> {
    within(READ_WITHIN, &READERS, reading).await
}

async fn within<T: Send + 'static>(
    limit: Duration,
    readers: &'static Semaphore,
    reading: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TooSlow> {
    let reading = async {
        let permit = readers.acquire().await.ok()?;
        let reading = tokio::task::spawn_blocking(move || {
            let read = reading();
            drop(permit);
            read
        });
        reading
            .await
            .inspect_err(|error| tracing::error!(%error, "a schedule could not be read"))
            .ok()
    };
    let read = tokio::time::timeout(limit, reading).await;
    read.ok().flatten().ok_or(TooSlow)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(10);
    const PATIENT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_holds_up_only_its_own_place() {
        static TWO: Semaphore = Semaphore::const_new(2);
        let (go_on, held) = mpsc::channel::<()>();
        let slow = within(SOON, &TWO, move || held.recv().is_ok()).await;
        assert_eq!(slow, Err(TooSlow));
        assert_eq!(TWO.available_permits(), 1);
        // This thread is free, and so is the other place.
        assert_eq!(within(PATIENT, &TWO, || 7).await, Ok(7));
        drop(go_on);
        let both = TWO.acquire_many(2);
        drop(tokio::time::timeout(PATIENT, both).await.unwrap().unwrap());
    }

    #[tokio::test]
    async fn a_reading_that_waits_for_its_turn_too_long_is_refused() {
        static NONE: Semaphore = Semaphore::const_new(0);
        assert_eq!(within(SOON, &NONE, || ()).await, Err(TooSlow));
    }

    #[tokio::test]
    async fn a_panic_is_a_refusal() {
        static ONE: Semaphore = Semaphore::const_new(1);
        assert_eq!(
            within(PATIENT, &ONE, || panic!("a test")).await,
            Err::<(), _>(TooSlow)
        );
        assert_eq!(within(PATIENT, &ONE, || 7).await, Ok(7));
    }
}
