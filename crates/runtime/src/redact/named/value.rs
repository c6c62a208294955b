//! Where a value begins and ends. A value is taken whole or not at all.

use std::ops::Range;

use super::cursor::{Quote, backslashes, byte, escape, is_name_byte, quote, skip_blanks};

/// A value is judged by its beginning; longer ones are taken whole if that is a secret.
pub(super) const JUDGED: usize = 256;
/// A quoted text without an end within this much is one up to the end of its line.
const MAX_QUOTED: usize = 4 * 1024;

/// How a value is written: what is said without quotes may be part of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Style {
    /// As a text of data or of a program.
    Quoted,
    /// A quoted text behind a comma, an opening bracket or a word: it may be anything.
    Argument,
    /// A line of a shell, an .env file or the like: `DB_PASSWORD=hunter`.
    Line,
    /// Right behind its name, among others: `password=a&user=b`.
    Tight,
    /// With a gap, as in YAML, or in a program.
    Spaced,
    /// A word behind a flag or a directive: `--password X`.
    Word,
    /// A word of a sentence.
    Prose,
    /// Between tags.
    Tagged,
}

/// A value that may be a secret.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) style: Style,
}

/// The end of a quoted text, and whether it was seen to end.
pub(super) fn quoted(text: &[u8], quote: Quote) -> Range<usize> {
    let triple = [quote.sign; 3];
    let is_triple =
        quote.depth == 0 && text.get(quote.start - 1..quote.start + 2) == Some(&triple[..]);
    let start = if is_triple {
        quote.start + 2
    } else {
        quote.start
    };
    let limit = text.len().min(start + MAX_QUOTED);
    let mut at = start;
    while at < text.len() {
        let here = text[at];
        if here == b'\\' {
            let depth = backslashes(text, at);
            let behind = byte(text, at + depth);
            if quote.depth > 0 && behind == quote.sign && depth <= quote.depth {
                break;
            }
            if quote.depth > 0 && matches!(behind, b'n' | b'r') && depth <= quote.depth {
                break;
            }
            // An even number escapes itself.
            let escapes = quote.depth > 0 || depth % 2 == 1;
            at += depth + usize::from(escapes && at + depth < text.len() && behind.is_ascii());
            continue;
        }
        let is_end = here == quote.sign && (!is_triple || text[at..].starts_with(&triple));
        // One that is not escaped ends an escaped text, too.
        if is_end || (matches!(here, b'\n' | b'\r') && (!is_triple || at >= limit)) {
            break;
        }
        at += 1;
    }
    start..at.min(text.len())
}

/// Where a value without quotes ends that begins at `start`, on a line of its own or among other things.
pub(super) fn bare(text: &[u8], start: usize, style: Style) -> Range<usize> {
    let mut at = start;
    while at < text.len() {
        let here = text[at];
        if here.is_ascii_whitespace() || is_mark(text, at) {
            break;
        }
        let is_end = match here {
            b'\\' => {
                escape(text, at).is_some() || quote(text, at).is_some() || style != Style::Line
            }
            b'"' | b'\'' | b'`' => true,
            b'<' | b'>' | b'|' | b'(' | b'{' | b'[' => style != Style::Line,
            b',' | b';' | b'&' | b')' | b']' | b'}' => {
                // As part of a value it is followed by more of it.
                if style == Style::Line || style == Style::Word {
                    !is_more_of_value(text, at + 1)
                } else {
                    true
                }
            }
            _ => false,
        };
        if is_end {
            break;
        }
        at += 1;
    }
    start..at
}

fn is_mark(text: &[u8], at: usize) -> bool {
    text[at] == b'[' && text[at..].starts_with(b"[redacted:")
}

/// Whether what follows a sign goes on like a value, and is no end and no next pair.
fn is_more_of_value(text: &[u8], at: usize) -> bool {
    const MAX_NAME: usize = 40;
    let rest = &text[at.min(text.len())..];
    let len = rest
        .iter()
        .take(MAX_NAME)
        .take_while(|b| is_name_byte(**b) || **b == b' ')
        .count();
    let next = byte(rest, len);
    let is_pair = len > 0 && matches!(next, b'=' | b':');
    let first = byte(rest, 0);
    let is_end = first == 0
        || first.is_ascii_whitespace()
        || matches!(
            first,
            b'"' | b'\'' | b'\\' | b'&' | b'|' | b';' | b',' | b')' | b'}' | b']'
        );
    !is_pair && !is_end
}

/// The quote that a value begins with, behind what wraps it: `b"`, `Some("`, `String::from("`, `new Secret("`.
pub(super) fn wrapped_quote(text: &[u8], mut at: usize) -> Option<(Quote, bool)> {
    const MAX_WRAPS: usize = 3;
    const MAX_NAME: usize = 60;
    if let Some(found) = quote(text, at) {
        return Some((found, false));
    }
    if let Some(start) = prefixed_quote(text, at) {
        return Some((start, false));
    }
    for _ in 0..MAX_WRAPS {
        let rest = text.get(at..)?;
        let rest = rest.strip_prefix(b"new ").unwrap_or(rest);
        at = text.len() - rest.len();
        let is_path = |b: &u8| is_name_byte(*b) || matches!(b, b':' | b'.' | b'!' | b'&');
        let len = rest
            .iter()
            .take(MAX_NAME)
            .take_while(|b| is_path(b))
            .count();
        if byte(rest, len) != b'(' || len == 0 {
            return None;
        }
        at = skip_blanks(text, at + len + 1);
        if let Some(found) = quote(text, at).or_else(|| prefixed_quote(text, at)) {
            return Some((found, true));
        }
    }
    None
}

/// A quote behind the letters that some languages put before it: `rb"`, `$"`, `@"`.
fn prefixed_quote(text: &[u8], at: usize) -> Option<Quote> {
    let len = (1..=2).find(|len| quote(text, at + len).is_some())?;
    let is_prefix = |b: &u8| {
        matches!(
            b,
            b'b' | b'r' | b'f' | b'u' | b'B' | b'R' | b'L' | b'@' | b'&' | b's'
        )
    };
    text[at..at + len]
        .iter()
        .all(is_prefix)
        .then(|| quote(text, at + len))
        .flatten()
}
