//! What the suite found, and whether it is what was promised.

use std::time::Duration;

use serde::Serialize;

use super::idle_connections::IdleConnections;
use super::slow_readers::SlowReaders;
use super::soak::Soak;
use super::surge::Surge;

/// Above this memory counts as unbounded.
const MEMORY_MIB: f64 = 512.0;
/// Memory in the end of a steady load over that of its beginning.
const GROWTH: f64 = 1.15;
/// A little more of what is small is no growth.
const SLACK_MIB: f64 = 8.0;

/// All findings.
#[derive(Debug, Default, Clone, Serialize)]
pub struct OverloadVerdict {
    /// The median save by the only client, before, in milliseconds.
    pub calm_ms: f64,
    /// The same in the end.
    pub calm_after_ms: f64,
    /// Calls a second that can be served.
    pub sustainable_per_second: f64,
    /// Memory before anything, in MiB.
    pub memory_mib: f64,
    /// Calls that come too fast.
    pub surge: Surge,
    /// Idle connections.
    pub crowd: IdleConnections,
    /// Readers that do not read.
    pub sluggards: SlowReaders,
    /// The long load.
    pub soak: Soak,
}

impl OverloadVerdict {
    pub(super) fn new(calm: Duration, sustainable: f64, resident_bytes: u64) -> Self {
        Self {
            calm_ms: calm.as_secs_f64() * 1e3,
            sustainable_per_second: sustainable,
            memory_mib: mib(resident_bytes),
            ..Self::default()
        }
    }

    /// Whether memory stayed below its bound all the time.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        let most = [
            self.surge.most_memory_mib,
            self.crowd.memory_mib[1],
            self.sluggards.memory_mib[1],
            self.soak.memory_mib[1],
        ];
        most.iter().all(|most| *most <= MEMORY_MIB)
    }

    /// Whether nothing was lost, memory stayed bounded, refusals told when to come again, and calm returned.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self {
            surge,
            crowd,
            sluggards,
            soak,
            ..
        } = self;
        let recovered = [
            surge.recovered_after_seconds,
            crowd.recovered_after_seconds,
            sluggards.recovered_after_seconds,
        ];
        let rests = soak.memory_mib[1] <= soak.memory_mib[0] * GROWTH + SLACK_MIB;
        surge.lost + soak.lost == 0
            && surge.failed + surge.timed_out + surge.refused_without_delay + soak.failed == 0
            && self.is_bounded()
            && recovered.iter().all(Option::is_some)
            && rests
    }
}

/// Bytes as MiB.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
