//! Fields of stream-json, each read by its meaning: what is of another type than expected counts as missing. Pure.

use serde_json::Value;
use shim_proto::limits::task::MAX_TOKENS;

/// Tokens that models read and wrote.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    /// All that were read, from a cache or not.
    pub(super) input: u64,
    pub(super) output: u64,
}

/// A field's text; empty if it is none.
pub(super) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

/// Whether nobody sees anything of a text: spaces, controls, and characters without a width.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        let has_no_width = matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}');
        c.is_whitespace() || c.is_control() || has_no_width
    })
}

/// A number that is not negative, also as a text; `None` if the field holds none.
pub(super) fn amount(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// An HTTP status, also as a text; 0 if it is none.
pub(super) fn status(value: &Value) -> u16 {
    let status = amount(value).filter(|status| (100.0..600.0).contains(status));
    status.map_or(0, |status| status as u16)
}

impl Tokens {
    /// What a message says that it used. A number that is none counts as 0, and one beyond any task as the greatest.
    pub(super) fn of(usage: &Value) -> Self {
        let tokens = |field: &str| {
            let tokens = amount(&usage[field]).unwrap_or_default();
            // The greatest is exact as a double.
            (tokens.min(MAX_TOKENS as f64)) as u64
        };
        let input = tokens("input_tokens")
            .saturating_add(tokens("cache_creation_input_tokens"))
            .saturating_add(tokens("cache_read_input_tokens"));
        Self {
            input: input.min(MAX_TOKENS),
            output: tokens("output_tokens"),
        }
    }
}
