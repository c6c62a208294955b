//! One line of a transcript: the fields that are read, out of many. A field of another type is one that is missing.

use std::borrow::Cow;

use prost_types::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use shim_runtime::json_text;

/// A field as it stands in the line, parsed when it is needed: most are not, and some are megabytes.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// How lines begin that repeat what was sent to the API. They are most of a transcript's bytes and tell nothing new.
const REPETITIONS: &[u8] = br#"{"type":"api-request"#;

/// A line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(borrow)]
    pub(super) subtype: Raw<'a>,
    #[serde(borrow)]
    pub(super) uuid: Raw<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Raw<'a>,
    #[serde(borrow)]
    pub(super) session_id: Raw<'a>,
    #[serde(borrow)]
    pub(super) agent_id: Raw<'a>,
    #[serde(borrow)]
    pub(super) is_sidechain: Raw<'a>,
    #[serde(borrow)]
    pub(super) is_meta: Raw<'a>,
    #[serde(borrow)]
    pub(super) is_compact_summary: Raw<'a>,
    #[serde(borrow)]
    pub(super) prompt_id: Raw<'a>,
    #[serde(borrow)]
    pub(super) origin: Raw<'a>,
    #[serde(borrow)]
    pub(super) cwd: Raw<'a>,
    #[serde(borrow)]
    pub(super) version: Raw<'a>,
    #[serde(borrow)]
    pub(super) message: Raw<'a>,
    #[serde(borrow)]
    pub(super) tool_use_result: Raw<'a>,
    #[serde(borrow)]
    pub(super) tool_denial_kind: Raw<'a>,
    #[serde(borrow)]
    pub(super) permission_decision: Raw<'a>,
    #[serde(borrow)]
    pub(super) is_api_error_message: Raw<'a>,
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
    #[serde(borrow)]
    pub(super) error_details: Raw<'a>,
    #[serde(borrow)]
    pub(super) compact_metadata: Raw<'a>,
    #[serde(borrow)]
    pub(super) attachment: Raw<'a>,
    #[serde(borrow)]
    pub(super) operation: Raw<'a>,
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
    #[serde(borrow)]
    pub(super) last_prompt: Raw<'a>,
    #[serde(borrow, rename = "totalCostUSD")]
    pub(super) total_cost_usd: Raw<'a>,
    #[serde(borrow)]
    pub(super) total_duration: Raw<'a>,
    #[serde(borrow, rename = "totalAPIDuration")]
    pub(super) total_api_duration: Raw<'a>,
    #[serde(borrow)]
    pub(super) total_lines_added: Raw<'a>,
    #[serde(borrow)]
    pub(super) total_lines_removed: Raw<'a>,
}

/// The message of a line.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) id: Raw<'a>,
    #[serde(borrow)]
    pub(super) model: Raw<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Raw<'a>,
    #[serde(borrow)]
    pub(super) usage: Raw<'a>,
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
}

/// What a line is.
pub(super) enum Line<'a> {
    /// One that may tell something.
    Record(Box<Record<'a>>),
    /// One that repeats what others tell.
    Repetition,
    /// Not one of a transcript.
    Foreign,
}

/// The line without half characters, which the client writes as escapes that are no JSON; `None` if it has none, or is
/// none of a transcript.
pub(super) fn repaired(line: &[u8]) -> Option<String> {
    let may_tell = !line.starts_with(REPETITIONS) && std::str::from_utf8(line).is_ok();
    may_tell.then(|| json_text::repair(line)).flatten()
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Line<'_> {
    if line.starts_with(REPETITIONS) {
        return Line::Repetition;
    }
    let text = std::str::from_utf8(line).ok();
    let record = text.and_then(|text| serde_json::from_str::<Record<'_>>(text).ok());
    match record.filter(|record| record.kind.is_some()) {
        Some(record) => Line::Record(Box::new(record)),
        None => Line::Foreign,
    }
}

impl<'a> Record<'a> {
    /// The message, if there is one.
    pub(super) fn message(&self) -> Option<Message<'a>> {
        serde_json::from_str(self.message?.get()).ok()
    }

    /// When it was written.
    pub(super) fn at(&self) -> Option<Timestamp> {
        text(self.timestamp)?.parse().ok()
    }
}

/// A text; `None` if the field is missing or none.
pub(super) fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text: Text<'_> = serde_json::from_str(raw?.get()).ok()?;
    Some(text.0)
}

/// An id or a name of at most 200 bytes; empty if it is missing, none, or longer: cut, it would be another one's.
pub(super) fn name(raw: Raw<'_>) -> String {
    let name = text(raw).unwrap_or_default();
    super::events::fitting_name(&name)
}

/// Whether a field is true.
pub(super) fn is_true(raw: Raw<'_>) -> bool {
    raw.is_some_and(|raw| raw.get() == "true")
}

/// Any value; null if it is missing, nested too deeply, or longer than `max` bytes.
pub(super) fn value(raw: Raw<'_>, max: usize) -> Value {
    raw.filter(|raw| raw.get().len() <= max)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// A number that is finite and not negative.
pub(super) fn number(raw: Raw<'_>) -> Option<f64> {
    let number: f64 = serde_json::from_str(raw?.get()).ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}
