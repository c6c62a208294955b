//! JSON as text, where reading it would lose something: half characters, places of faults, numbers beyond a double,
//! names that are given twice.
//!
//! Nothing here decides what a message means. Each function looks at bytes alone, takes any bytes, and never fails.

mod losses;
mod numbers;
mod repair;
mod walk;

use std::borrow::Cow;

pub use losses::{Loss, LossKind, first_loss, losses, number_rule};
pub use numbers::{is_inexact, quote_inexact};
pub use repair::repair;
pub use walk::place;

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
