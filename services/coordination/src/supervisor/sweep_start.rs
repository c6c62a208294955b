//! How old the findings of a sweep are.

use std::time::Duration;

use tokio::time::Instant;

/// Request ids are remembered for two minutes; older findings may have been acted on and forgotten since.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// When a sweep was begun.
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
