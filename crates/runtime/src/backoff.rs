//! Exponential backoff with jitter: how long to wait before the next try.
//!
//! Jitter lies in the upper half of the delay, so that many processes do not come back in step (AWS Architecture Blog,
//! "Exponential Backoff And Jitter", 2015).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Delays that double from a first one up to a longest one.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Begins anew at the first delay, after something succeeded.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The delay to wait now, between half of it and the whole; the next one is twice as long.
    #[must_use]
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.longest);
        delay.mul_f64(0.5 + fraction() / 2.0)
    }

    /// Waits for [`Backoff::next_delay`].
    pub async fn wait(&mut self) {
        let delay = self.next_delay();
        tokio::time::sleep(delay).await;
    }
}

/// A number from 0 to 1. The keys of the standard library's hashes are random, which is random enough for a delay.
fn fraction() -> f64 {
    let random = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(first, longest);
        for whole in [100, 200, 350, 350] {
            let whole = Duration::from_millis(whole);
            let delay = backoff.next_delay();
            assert!(
                delay >= whole / 2 && delay <= whole,
                "{delay:?} of {whole:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_delay() <= first);
    }
}
