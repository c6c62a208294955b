//! The service's metrics: what was done, how long it took, and what became of evolutions.

use std::time::Instant;

use metrics::{counter, histogram};

use crate::domain::patterns::Outcome;

/// An operation that goes on.
pub(crate) struct Timed {
    operation: &'static str,
    begun: Instant,
}

impl Timed {
    /// `operation` is one of the table's.
    pub(crate) fn begin(operation: &'static str) -> Self {
        Self {
            operation,
            begun: Instant::now(),
        }
    }

    /// Counts its end.
    pub(crate) fn end(self, is_ok: bool) {
        let operation = self.operation;
        let outcome = if is_ok { "ok" } else { "failed" };
        counter!("shim_evolution_operations_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        histogram!("shim_evolution_operation_duration_seconds", "operation" => operation)
            .record(self.begun.elapsed());
    }
}

/// Counts what became of an evolution, once that is on the disk.
pub(crate) fn record_outcome(outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Reverted => "reverted",
        Outcome::Broken => "broken",
    };
    counter!("shim_evolution_outcomes_total", "outcome" => outcome).increment(1);
}
