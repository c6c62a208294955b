//! The redaction of one text.

use std::borrow::Cow;

use super::rules::{self, Rule};

/// Taking one secret out may uncover another; three rounds were enough for all that was seen.
const MAX_ROUNDS: usize = 8;

/// The text with `[redacted:RULE]` in the place of each secret, each counted in `shim_redactions_total`. A text that was
/// redacted stays as it is.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    text_by(text, rules::candidates(text.as_bytes()))
}

/// The same for a text of which it is known which rules have a say about it.
pub(super) fn text_by(
    text: &str,
    candidates: impl IntoIterator<Item = &'static Rule>,
) -> Cow<'_, str> {
    let Some(mut redacted) = apply_rules(text, candidates) else {
        return Cow::Borrowed(text);
    };
    for _ in 1..MAX_ROUNDS {
        let candidates = rules::candidates(redacted.as_bytes());
        let Some(cleaner) = apply_rules(&redacted, candidates) else {
            break;
        };
        redacted = cleaner;
    }
    Cow::Owned(redacted)
}

/// Applies each of the rules once; `None` if none found anything.
fn apply_rules(text: &str, rules: impl IntoIterator<Item = &'static Rule>) -> Option<String> {
    let mut redacted: Option<String> = None;
    for rule in rules {
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
