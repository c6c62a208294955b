//! What is wrong with a message, in words that name the place and the remedy. Pure.

use rmcp::model::RequestId;
use shim_runtime::json_text;

use super::envelope::Envelope;

/// A wrong value is shown up to so many characters.
const SHOWN_CHARACTERS: usize = 40;

/// Why valid JSON is no message.
pub(super) fn shape_fault(envelope: &Envelope) -> String {
    let is_text = |value: &[u8]| value.starts_with(b"\"");
    let fault = match envelope {
        _ if envelope.is_list => "batches are not served: send each message by itself",
        _ if !envelope.is_object => {
            "a message is a JSON object: send one with jsonrpc, id, method and params"
        }
        _ if envelope.has_two_ids() => "id: is given twice; give each request one id",
        _ if envelope.jsonrpc.as_deref() != Some(b"\"2.0\"") => "jsonrpc: must be \"2.0\"",
        _ if envelope.method.is_none() && !envelope.is_answer => "method: is required",
        _ if envelope
            .method
            .as_deref()
            .is_some_and(|method| !is_text(method)) =>
        {
            "method: must be text"
        }
        _ if envelope.method.is_some() && envelope.is_answer => {
            "a message has either method, or result, or error; send one of them"
        }
        _ if envelope.has_id() && !has_usable_id(envelope) => {
            "id: must be text or a whole number up to 9223372036854775807"
        }
        _ => {
            "the message has not the form that the protocol gives its method; compare it with the schema of MCP"
        }
    };
    fault.to_owned()
}

fn has_usable_id(envelope: &Envelope) -> bool {
    let id = envelope.id();
    id.is_some_and(|id| serde_json::from_str::<RequestId>(&id).is_ok())
}

/// Why a message is no JSON: where, what, and the remedy.
pub(super) fn syntax_fault(message: &[u8], error: &serde_json::Error) -> String {
    let offset = offset(message, error);
    let place = json_text::place(message, offset);
    let within = if place.is_empty() {
        place
    } else {
        format!(", in {place}")
    };
    let what = describe(message, offset, error);
    format!(
        "the message is no valid JSON at byte {}{within}: {what}",
        offset + 1
    )
}

/// The byte that the reader stumbled over, or the end.
pub(super) fn offset(message: &[u8], error: &serde_json::Error) -> usize {
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + error.column().saturating_sub(1)).min(message.len())
}

/// What is wrong, and the remedy.
fn describe(message: &[u8], offset: usize, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    let bare = bare_at(message, offset);
    let first = message.iter().find(|byte| !byte.is_ascii_whitespace());
    match reason {
        _ if first.is_none_or(|byte| !b"{[".contains(byte)) => {
            "it does not begin with {; send one JSON-RPC message on each line".to_owned()
        }
        _ if error.is_eof() => {
            "it ends in the middle; send each message whole, on one line".to_owned()
        }
        "recursion limit exceeded" => {
            "it is nested deeper than 128 levels; send deep data flatter, or as text".to_owned()
        }
        "number out of range" => {
            format!("{bare} is beyond what a number can hold; send it as text, in quotes")
        }
        "trailing comma" => {
            "a comma stands before the end of a list or an object; leave it out".to_owned()
        }
        "trailing characters" => {
            "more follows behind the message; send each message on a line of its own".to_owned()
        }
        _ if reason.starts_with("control character") => {
            "a control character stands in a text; write it as an escape such as \\n".to_owned()
        }
        "expected value" | "expected ident" | "invalid number"
            if bare.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-') =>
        {
            format!(
                "{bare} is no JSON value; send a number, a text in quotes, true, false or null, or leave the field out"
            )
        }
        _ => format!("{reason}; send JSON as RFC 8259 has it"),
    }
}

/// The value without quotes that holds the byte; empty if there is none.
fn bare_at(message: &[u8], offset: usize) -> String {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
    let (before, behind) = message.split_at(offset);
    let start = before.iter().rposition(ends).map_or(0, |at| at + 1);
    let length = behind.iter().position(ends).unwrap_or(behind.len());
    let bare = String::from_utf8_lossy(&message[start..offset + length]).into_owned();
    bare.chars().take(SHOWN_CHARACTERS).collect()
}
