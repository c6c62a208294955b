//! The messages of a line that is not one message: those that stand together on it, and what is damaged. Pure.

use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::cuts::cut_at;

/// More pieces than this stay together as the last one.
const MAX_PIECES: usize = 100;
/// What stands between messages, beside spaces: commas, and the separator of JSON text sequences (RFC 7464).
const SEPARATORS: [u8; 2] = [b',', 0x1E];
const BEGIN: &[u8] = b"{\"jsonrpc\"";

/// A part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a [u8],
    /// It stands together with something damaged, so that what looks like a message may be a part of one.
    pub(super) is_doubtful: bool,
}

/// The pieces of a line; none of an empty one.
pub(super) fn split(line: &[u8]) -> Vec<Piece<'_>> {
    let (mut rest, mut pieces) = (skip_separators(line), Vec::new());
    // Where the pieces begin that a carriage return sets apart: it ends a line for many programs.
    let (mut set_apart, mut is_doubtful) = (0, false);
    while !rest.is_empty() {
        let whole = whole_object(rest);
        let end = match whole {
            _ if pieces.len() + 1 == MAX_PIECES => rest.len(),
            Some(end) => end,
            None => damaged_end(rest),
        };
        let (text, behind) = rest.split_at(end);
        // The first byte of the message that cut it off shows that a number before it ends.
        let is_apart = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'}';
        let is_cut = behind.starts_with(b"{") && !text.last().is_some_and(is_apart);
        let shown = &rest[..end + usize::from(is_cut)];
        pieces.push(Piece {
            text: shown,
            is_doubtful,
        });
        is_doubtful |= whole.is_none();
        if !text.starts_with(b"{") {
            // What looked like a message before it may have lost its end.
            let earlier = &mut pieces[set_apart..];
            earlier
                .iter_mut()
                .for_each(|piece| piece.is_doubtful = true);
        }
        let between = behind.len() - skip_separators(behind).len();
        if behind[..between].contains(&b'\r') || text.ends_with(b"\r") {
            (set_apart, is_doubtful) = (pieces.len(), false);
        }
        rest = &behind[between..];
    }
    pieces
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || SEPARATORS.contains(byte);
    let start = text.iter().position(|byte| !is_between(byte));
    start.map_or(&[], |start| &text[start..])
}

/// The end of the object that begins here, if it is valid JSON.
fn whole_object(text: &[u8]) -> Option<usize> {
    if !text.starts_with(b"{") {
        return None;
    }
    let mut values = Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// The end of what is damaged: before a message on what many take for a new line, before one that stands behind the end
/// of an object, as in no valid JSON, or where it was cut off and a message begins.
fn damaged_end(text: &[u8]) -> usize {
    let cut = cut_at(text).unwrap_or(text.len());
    let begins = (1..cut).filter(|at| text[*at] == b'{');
    for at in begins {
        let before = text[..at].trim_ascii_end();
        let goes_on = before.ends_with(b"[") || before.ends_with(b",") || before.ends_with(b":");
        let is_new_line = !goes_on && text[before.len()..at].contains(&b'\r');
        if is_new_line || before.ends_with(b"}") && text[at..].starts_with(BEGIN) {
            return at;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<(String, bool)> {
        let pieces = split(line.as_bytes()).into_iter();
        pieces
            .map(|piece| {
                let text = String::from_utf8_lossy(piece.text.trim_ascii()).into_owned();
                (text, piece.is_doubtful)
            })
            .collect()
    }

    #[test]
    fn messages_that_stand_together_are_told_apart() {
        let (a, b) = (r#"{"jsonrpc":"2.0","id":1}"#, r#"{"jsonrpc":"2.0","id":2}"#);
        for between in ["", " ", "\r", "\t", ",", ", ", "\u{1e}"] {
            let line = format!("{a}{between}{b}");
            let expected = [(a.to_owned(), false), (b.to_owned(), false)];
            assert_eq!(texts(&line), expected, "{line:?}");
        }
        let damaged = r#"{"jsonrpc":"2.0","x":NaN}"#;
        for (between, is_doubtful) in [("", true), (" ", true), ("\r", false)] {
            let line = format!("{damaged}{between}{b}");
            let expected = [(damaged.to_owned(), false), (b.to_owned(), is_doubtful)];
            assert_eq!(texts(&line), expected, "{line:?}");
            let line = format!("{a}{between}{damaged}");
            let expected = [(a.to_owned(), false), (damaged.to_owned(), false)];
            assert_eq!(texts(&line), expected, "{line:?}");
        }
        let embedded = r#"{"jsonrpc":"2.0","x":NaN,"y":[{"jsonrpc":"2.0"},{"jsonrpc":"2.0"}]}"#;
        assert_eq!(texts(embedded), [(embedded.to_owned(), false)]);
        let batch = "[\r\n{\"jsonrpc\":\"2.0\",\"x\":NaN},\r\n{\"jsonrpc\":\"2.0\"}]";
        assert_eq!(texts(batch), [(batch.to_owned(), true)]);
        let early = format!(r#"{a},"x":1}}{b}"#);
        assert!(
            texts(&early).iter().all(|(_, is_doubtful)| *is_doubtful),
            "{early}"
        );
        assert_eq!(texts("  "), []);
        assert_eq!(split(&b"{}".repeat(1_000)).len(), MAX_PIECES);
    }
}
