//! What stands in the place of a secret, and the counter of secrets found.

const COUNTER: &str = "shim_redactions_total";

/// What stands in the place of a secret that `rule` found.
pub(super) fn mark(rule: &str) -> String {
    format!("[redacted:{rule}]")
}

/// Whether the text is a mark.
pub(super) fn is_mark(text: &str) -> bool {
    text.starts_with("[redacted:")
}

/// Counts a secret.
pub(super) fn count(rule: &'static str) {
    metrics::counter!(COUNTER, "rule" => rule).increment(1);
}

/// Shows a rule at zero, so that its first secret is an increase.
pub(super) fn init_series(rule: &'static str) {
    metrics::counter!(COUNTER, "rule" => rule).increment(0);
}
