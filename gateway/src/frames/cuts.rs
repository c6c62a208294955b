//! Where a message was cut off and another one begins at once, on the same line. Pure.
//!
//! Within a whole message, another one stands only as a value, or in a text with its quotes escaped. So where the first thing
//! that is wrong with a message is that another one begins, the first was cut off there.

use serde::de::IgnoredAny;

use super::envelope::EnvelopeScan;
use super::faults::offset;
use super::ids::{Nesting, Position};

const BEGIN: &[u8] = b"{\"jsonrpc\"";
/// Bytes that a reader goes on into the next message before it stumbles: in a text up to behind the first quote, in an escape
/// by its digits.
const MAX_STUMBLE: usize = 4;
/// Fields of a message that are no objects.
const PLAIN_FIELDS: [&[u8]; 3] = [b"\"jsonrpc\"", b"\"method\"", b"\"id\""];

/// Where the next message begins in a text that is no valid JSON; `None` if it was not cut off so.
pub(super) fn cut_at(text: &[u8]) -> Option<usize> {
    let damage = match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => return None,
        Err(error) => offset(text, &error),
    };
    let begins = |at: &usize| text[*at] == b'{';
    let after_plain_field = plain_value(text, damage);
    let near = damage.saturating_sub(MAX_STUMBLE)..(damage + 2).min(text.len());
    let mut stumbled = near.filter(begins).filter(|at| *at > 0);
    let is_next = |at: &usize| {
        // Of what was cut off, something must be left.
        text[..*at].contains(&b'"') && begins_message(&text[*at..]) && is_followed(&text[*at..])
    };
    after_plain_field.or_else(|| stumbled.find(is_next))
}

/// Where a message stands as the value of a field that is none, before what is damaged.
fn plain_value(text: &[u8], damage: usize) -> Option<usize> {
    let mut nesting = Nesting::default();
    let mut begins = (1..damage).filter(|at| text[*at..].starts_with(BEGIN));
    begins.find(|at| {
        let is_first_level = matches!(nesting.at(text, *at), Position::Depth(1));
        let before = text[..*at].trim_ascii_end().strip_suffix(b":");
        let name = before.unwrap_or_default().trim_ascii_end();
        let is_plain = PLAIN_FIELDS.iter().any(|field| name.ends_with(field));
        is_first_level && is_plain && is_followed(&text[*at..])
    })
}

/// Whether an object looks like a message: it begins as most do, or has what each has.
fn begins_message(text: &[u8]) -> bool {
    if text.starts_with(BEGIN) {
        return true;
    }
    let inner = text[1..].trim_ascii_start();
    if !inner.starts_with(b"\"") {
        return false;
    }
    let envelope = EnvelopeScan::of(text);
    envelope.jsonrpc.as_deref() == Some(b"\"2.0\"") && envelope.has_id()
}

/// Whether no rest of a text, a list or an object is behind an object: it would be a part of what it stands in.
fn is_followed(text: &[u8]) -> bool {
    let Some(end) = end_of_object(text) else {
        return true;
    };
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let next = text[end..].iter().find(|byte| !is_between(byte));
    !next.is_some_and(|byte| b"\"}]:".contains(byte))
}

/// The end of the object that begins here, as far as brackets and quotes tell.
fn end_of_object(text: &[u8]) -> Option<usize> {
    let mut nesting = Nesting::default();
    let mut ends = (1..=text.len()).filter(|at| text[at - 1] == b'}');
    ends.find(|at| matches!(nesting.at(text, *at), Position::Depth(0)))
}

/// The objects in a list and in the lists within it, each with all that it holds. `list` is valid JSON.
pub(super) fn objects_of(list: &[u8]) -> Vec<&[u8]> {
    let mut objects = Vec::new();
    let mut rest = list;
    loop {
        let Some(start) = rest.iter().position(|byte| b"{\"".contains(byte)) else {
            return objects;
        };
        rest = &rest[start..];
        let is_object = rest.starts_with(b"{");
        let end = match is_object {
            true => end_of_object(rest),
            false => end_of_text(rest),
        };
        let (item, behind) = rest.split_at(end.unwrap_or(rest.len()));
        objects.extend(is_object.then_some(item));
        rest = behind;
    }
}

/// The end of the text that begins here.
fn end_of_text(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    let quote = text.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    Some(quote? + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(text: &str) -> Option<&str> {
        cut_at(text.as_bytes()).map(|at| &text[at..])
    }

    #[test]
    fn a_message_behind_a_cut_one_is_found_wherever_it_was_cut() {
        let whole = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"progressToken":12},"name":"t","arguments":{"a":["x \"y\" é","\u00e9"],"b":true}}}"#;
        for next in [
            r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#,
            r#"{"id":8,"jsonrpc":"2.0","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":8,"method":"pi"#,
        ] {
            for cut in 4..whole.len() - 1 {
                let Some(begun) = whole.get(..cut) else {
                    continue;
                };
                let is_value = begun.ends_with([':', '[']) || begun.ends_with("é\",");
                let line = format!("{begun}{next}");
                if !is_value {
                    assert_eq!(behind(&line), Some(next), "{line}");
                }
            }
        }
        let line = r#"{"jsonrpc":"2.0","id":7,"method":{"jsonrpc":"2.0","id":8,"method":"ping"}"#;
        assert_eq!(behind(line).map(str::len), Some(40));
    }

    #[test]
    fn what_a_message_holds_is_no_message_behind_it() {
        for line in [
            r#"{"jsonrpc":"2.0","id":7,"params":{"text":"{\"jsonrpc\":\"2.0\",\"id\":8}","x":NaN}}"#,
            r#"{"jsonrpc":"2.0","id":7,"params":{"text":"{\"jsonrpc\":\"2.0\",\"id\":8}"#,
            r#"{"jsonrpc":"2.0","id":7,"params":{"text":"{"jsonrpc":"2.0","id":8,"method":"x"}"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"params":{"frame":{"jsonrpc":"2.0","id":8},"x":NaN}}"#,
            r#"{"jsonrpc":"2.0","id":7,"params":{"frame":{"jsonrpc":"2.0","id":8}"#,
            r#"{"jsonrpc":"2.0","id":7,"params":{"jsonrpc":"2.0","id":8}"#,
            r#"{"jsonrpc":"2.0","id":7,"params":[1 {"jsonrpc":"2.0","id":8}]}"#,
            r#"{"jsonrpc":"2.0,"method":"x","params":{"frame":{"jsonrpc":"2.0","id":5}},"id":77}"#,
            r#"{{"jsonrpc":"2.0","id":77}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":{"jsonrpc":"2.0","id":8},"x":NaN}"#,
        ] {
            assert_eq!(behind(line), None, "{line}");
        }
    }

    #[test]
    fn the_objects_of_nested_lists_are_told_apart() {
        let list = br#"[[{"id":18},"{",[{"a":[{"id":1}]}]], {"id":19},3,[]]"#;
        let objects: Vec<_> = objects_of(list)
            .into_iter()
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(
            objects,
            [r#"{"id":18}"#, r#"{"a":[{"id":1}]}"#, r#"{"id":19}"#]
        );
    }
}
