//! Texts of the client, cut to a length. A secret is taken out before a text is cut: half a secret looks like none.

use std::borrow::Cow;

use shim_render::text::cut_bytes;
use shim_runtime::{json_text, redact};

/// An id or a name.
pub(crate) const MAX_NAME_BYTES: usize = 200;
/// A summary, the first line of an error.
pub(crate) const MAX_SUMMARY_BYTES: usize = 500;
/// A prompt, an answer.
pub(crate) const MAX_TEXT_BYTES: usize = 8_192;
/// A summary of a compaction.
pub(crate) const MAX_COMPACTION_BYTES: usize = 65_536;
/// Looked at beyond the cut: a longer secret that begins before it is cut all the same.
const LOOK_AHEAD: usize = 4_096;

/// At most `max` bytes of a text, ending in a mark if it is cut.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let looked_at = text.floor_char_boundary(max + LOOK_AHEAD);
    let clean = redact::text(&text[..looked_at]);
    match cut_bytes(&clean, max) {
        // What was redacted may fit, while the text goes on behind what was looked at.
        Cow::Borrowed(whole) => whole.to_owned(),
        Cow::Owned(cut) => cut,
    }
}

/// The first line that is not blank, at most `max` bytes of it.
pub(crate) fn line_of(text: &str, max: usize) -> String {
    let mut lines = text.lines().map(str::trim);
    cut(lines.find(|line| !line.is_empty()).unwrap_or(""), max)
}

/// What the client wrote as JSON. It cuts texts in the middle of an emoji, and its language writes half of one as an escape
/// that JSON does not know: each becomes U+FFFD.
pub(crate) fn json_of(bytes: &[u8]) -> serde_json::Result<serde_json::Value> {
    match json_text::repair(bytes) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => serde_json::from_slice(bytes),
    }
}
