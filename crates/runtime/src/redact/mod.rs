//! Secrets (keys, tokens, passwords) are taken out of every text before it is stored, logged or exported.
//!
//! What a secret is, is in [`rules`]; where texts come in, one file each: requests of every service in
//! [`requests`], log lines in [`log_writer`], spans in [`spans`], the output of programs in [`stream`].
//! Texts that were stored before a rule existed are never rewritten.

mod log_writer;
mod names;
mod protobuf;
mod requests;
mod rules;
mod spans;
mod stream;

use std::borrow::Cow;

use prost_types::value::Kind;
use prost_types::{Struct, Value};

pub use log_writer::RedactingMakeWriter;
pub(crate) use requests::redact_request;
pub(crate) use spans::redact_spans;
pub use stream::StreamRedactor;

/// Taking one secret out may uncover another; two rounds were enough for all that was seen.
const MAX_ROUNDS: usize = 4;

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

/// Shows what is counted at zero, for every rule.
pub(crate) fn init_series() {
    rules::init_series();
}

/// Redacts in place.
pub fn string(owned: &mut String) {
    if let Cow::Owned(redacted) = text(owned) {
        *owned = redacted;
    }
}

/// Redacts every text of free-form data, and all of it that stands under a name such as `password`.
pub fn data(data: &mut Struct) {
    let fields = std::mem::take(&mut data.fields);
    data.fields = fields
        .into_iter()
        .map(|(mut name, mut field)| {
            value(&mut field, names::is_secret(&name));
            string(&mut name);
            (name, field)
        })
        .collect();
}

fn value(value: &mut Value, is_secret: bool) {
    match &mut value.kind {
        Some(Kind::StringValue(text)) if is_secret => {
            if let Some(mark) = names::mark(text) {
                *text = mark;
            }
        }
        Some(Kind::StringValue(text)) => string(text),
        Some(Kind::ListValue(list)) => {
            for item in &mut list.values {
                self::value(item, is_secret);
            }
        }
        Some(Kind::StructValue(inner)) => data(inner),
        Some(Kind::NullValue(_) | Kind::NumberValue(_) | Kind::BoolValue(_)) | None => {}
    }
}

#[cfg(test)]
mod tests;
