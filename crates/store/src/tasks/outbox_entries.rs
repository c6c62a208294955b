//! What a decision left in the outbox.

/// Entries that a decision added to the outbox: tasks by id, and messages as `why id`.
#[derive(Debug, Clone, Default)]
pub(super) struct OutboxEntries {
    /// When it was decided, in microseconds by the store's clock.
    pub(super) decided_us: u64,
    pub(super) items: Vec<String>,
}

impl OutboxEntries {
    /// When it was decided, in milliseconds of Unix time by the store's clock.
    pub(super) fn at_ms(&self) -> i64 {
        i64::try_from(self.decided_us / 1_000).unwrap_or(i64::MAX)
    }
}
