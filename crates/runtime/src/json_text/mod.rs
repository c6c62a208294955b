//! JSON as text, where reading it would lose something: half characters, places of faults, numbers beyond a double,
//! names that are given twice.
//!
//! Nothing here decides what a message means. Each function looks at bytes alone, takes any bytes, and never fails.

mod losses;
mod numbers;
mod repair;
mod walk;

use std::borrow::Cow;

use serde::de::DeserializeOwned;

pub use losses::{Loss, LossKind, first_loss, losses, number_rule};
pub use numbers::{is_inexact, quote_inexact};
pub use repair::repair;
pub use walk::place;

/// Reads JSON in which half characters may stand, as where a text was cut in the middle of an emoji; each becomes U+FFFD.
///
/// # Errors
/// If it is no JSON of that form.
pub fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    match repair(text.as_bytes()) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => serde_json::from_str(text),
    }
}

/// What another program wrote as JSON, so that reading it loses nothing: half characters are replaced, and numbers that a
/// double would change are texts of the same digits.
#[must_use]
pub fn mend(text: &[u8]) -> Cow<'_, str> {
    let repaired = match repair(text) {
        Some(repaired) => Cow::Owned(repaired),
        // There was nothing to repair, so it is UTF-8.
        None => String::from_utf8_lossy(text),
    };
    match quote_inexact(&repaired) {
        Some(quoted) => Cow::Owned(quoted),
        None => repaired,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn half_characters_are_read_as_replacements_and_faults_are_faults() {
        let value: Value = read(r#"{"s": "\ud83d", "t": "\ud83d\ude00"}"#).unwrap();
        assert_eq!(value, json!({"s": "\u{FFFD}", "t": "\u{1F600}"}));
        assert!(read::<Value>(r#"{"s": "\ud8"}"#).is_err());
    }
}
