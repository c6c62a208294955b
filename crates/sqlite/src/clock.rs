//! The service's clock: wall time that never runs backwards.
//!
//! It starts at the later of the system's clock and the newest time in the database, then advances with the
//! monotonic clock, and follows the system's clock forward only. A clock set back an hour costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::UnixMicros;

/// Clones share one time.
#[derive(Debug, Clone)]
pub(crate) struct ServiceClock {
    anchor: Instant,
    /// Offset of the service's time from `anchor`, in microseconds; only grows.
    offset: Arc<AtomicI64>,
}

impl ServiceClock {
    /// A clock that is not behind `newest_stored`.
    pub(crate) fn starting_after(newest_stored: Option<UnixMicros>) -> Self {
        let start = newest_stored
            .map_or(i64::MIN, |m| m.0 + 1)
            .max(system_micros());
        Self {
            anchor: Instant::now(),
            offset: Arc::new(AtomicI64::new(start)),
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> UnixMicros {
        let elapsed = i64::try_from(self.anchor.elapsed().as_micros()).unwrap_or(i64::MAX);
        let by_system = system_micros().saturating_sub(elapsed);
        let offset = self
            .offset
            .fetch_max(by_system, Ordering::Relaxed)
            .max(by_system);
        UnixMicros(offset.saturating_add(elapsed))
    }
}

fn system_micros() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_the_database_goes_on_from_the_database() {
        let hour_ahead = UnixMicros(system_micros() + 3_600_000_000);
        let clock = ServiceClock::starting_after(Some(hour_ahead));
        let first = clock.now();
        assert!(first > hour_ahead && clock.now() >= first);
        assert!(first.since(hour_ahead).as_secs() < 10);
    }
}
