//! The age of a sweep's findings.

use std::time::Duration;

use tokio::time::Instant;

/// The store remembers a request id for two minutes. Findings older than half of that are dropped: another supervisor may
/// have acted on them, and the store may forget its request id before this one acts.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// When a sweep began.
#[derive(Debug, Clone, Copy)]
pub(super) struct SweepStart(Instant);

impl SweepStart {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// Whether the sweep's findings may still be acted on.
    pub(super) fn is_fresh(self) -> bool {
        self.0.elapsed() < FRESH_FOR
    }
}
