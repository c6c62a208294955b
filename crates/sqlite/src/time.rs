//! Points in time as the store keeps them.

use std::time::Duration;

use prost_types::Timestamp;

const MICROS: i64 = 1_000_000;

/// Microseconds since the Unix epoch, by the service's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// Time from `earlier` to this; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The time `span` before this one.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

impl From<UnixMicros> for Timestamp {
    fn from(time: UnixMicros) -> Self {
        // The remainder is below 1e6, so the nanoseconds fit an i32.
        let nanos = i32::try_from(time.0.rem_euclid(MICROS) * 1000).unwrap_or(0);
        Self {
            seconds: time.0.div_euclid(MICROS),
            nanos,
        }
    }
}

impl From<&Timestamp> for UnixMicros {
    fn from(timestamp: &Timestamp) -> Self {
        Self(
            timestamp
                .seconds
                .saturating_mul(MICROS)
                .saturating_add(i64::from(timestamp.nanos) / 1000),
        )
    }
}

/// The optional timestamp of a message.
#[must_use]
pub fn to_unix_micros(timestamp: Option<&Timestamp>) -> Option<UnixMicros> {
    timestamp.map(UnixMicros::from)
}
