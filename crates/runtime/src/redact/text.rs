//! The redaction of one text.

use std::borrow::Cow;

use super::rules;

/// Taking one secret out may uncover another; three rounds were enough for all that was seen.
const MAX_ROUNDS: usize = 8;

/// The text with `[redacted:RULE]` in the place of each secret, each counted in `shim_redactions_total`. A text that was
/// redacted stays as it is.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    let mut redacted = Cow::Borrowed(text);
    for _ in 0..MAX_ROUNDS {
        let Some(cleaner) = apply_rules(&redacted) else {
            break;
        };
        redacted = Cow::Owned(cleaner);
    }
    redacted
}

/// Applies every rule once; `None` if none found anything.
fn apply_rules(text: &str) -> Option<String> {
    let mut redacted: Option<String> = None;
    for rule in rules::candidates(text.as_bytes()) {
        let cleaner = rule.apply(redacted.as_deref().unwrap_or(text));
        redacted = cleaner.or(redacted);
    }
    redacted
}

/// Redacts in place.
pub fn string(owned: &mut String) {
    if let Cow::Owned(redacted) = text(owned) {
        *owned = redacted;
    }
}
