//! Values that stand further from their name: in lists, in objects, in pairs of `name` and `value`, on following lines.

use std::ops::Range;

use super::cursor::{byte, is_name_byte, line_end, quote, skip_blanks, skip_gap, starts_with};
use super::name::{Strength, member_strength};
use super::value::quoted;
use super::words::VALUE_NAMES;

const MAX_ITEMS: usize = 32;
/// How far the value of a pair may be from the name.
const MAX_PAIR: usize = 200;

/// Whether a member of this name says what another member holds.
pub(in crate::redact) fn is_namer(name: &str) -> bool {
    ["name", "key", "id", "field", "parameter", "variable"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(name))
}

/// Whether a member of this name holds what another member or the name of its object says.
pub(in crate::redact) fn is_value_name(name: &str) -> bool {
    VALUE_NAMES.has(name)
}

/// Behind `|`, `>-`, `!!str` and the end of their line.
pub(super) fn behind_yaml_marks(text: &[u8], at: usize) -> Option<usize> {
    if starts_with(text, at, b"!!str ") {
        return Some(at + 6);
    }
    if !matches!(byte(text, at), b'|' | b'>') {
        return None;
    }
    let mut end = at + 1;
    while matches!(byte(text, end), b'-' | b'+' | b'0'..=b'9') {
        end += 1;
    }
    let (behind, lines) = skip_gap(text, end);
    (lines > 0).then_some(behind)
}

/// Where the items of the list begin that begins here.
pub(super) fn items(text: &[u8], at: usize, lines: usize) -> Option<Vec<usize>> {
    if byte(text, at) == b'[' && !text[at..].starts_with(b"[redacted:") {
        return Some(bracketed_items(text, at + 1));
    }
    (lines > 0 && byte(text, at) == b'-' && byte(text, at + 1) == b' ')
        .then(|| dashed_items(text, at))
}

fn bracketed_items(text: &[u8], mut at: usize) -> Vec<usize> {
    let mut items = Vec::new();
    while items.len() < MAX_ITEMS {
        (at, _) = skip_gap(text, at);
        let Some(quote) = quote(text, at) else {
            break;
        };
        items.push(at);
        at = quoted(text, quote).end + quote.depth + 1;
        (at, _) = skip_gap(text, at);
        if byte(text, at) != b',' {
            break;
        }
        at += 1;
    }
    items
}

fn dashed_items(text: &[u8], mut at: usize) -> Vec<usize> {
    const MAX_LINE: usize = 400;
    let mut items = Vec::new();
    while items.len() < MAX_ITEMS && byte(text, at) == b'-' && byte(text, at + 1) == b' ' {
        let item = skip_blanks(text, at + 2);
        if is_key(text, item) {
            break;
        }
        items.push(item);
        (at, _) = skip_gap(text, line_end(text, item, MAX_LINE));
    }
    items
}

/// Whether a key of YAML or of an object begins here.
pub(super) fn is_key(text: &[u8], at: usize) -> bool {
    key(text, at).is_some()
}

/// The key that begins here, and where its value may begin.
fn key(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    const MAX_KEY: usize = 60;
    let opening = quote(text, at);
    let start = opening.map_or(at, |it| it.start);
    let rest = text.get(start..)?;
    let is_part = |b: &u8| is_name_byte(*b) || matches!(b, b'.' | b'$' | b'#');
    let len = rest.iter().take(MAX_KEY).take_while(|b| is_part(b)).count();
    let mut end = start + len;
    if opening.is_some() {
        end = quote(text, end)?.start;
    }
    let sign = skip_blanks(text, end);
    let is_sign = matches!(byte(text, sign), b':' | b'=')
        && !starts_with(text, sign, b"://")
        && !starts_with(text, sign, b"::");
    let is_tight = opening.is_none()
        && !matches!(
            byte(text, sign + 1),
            b' ' | b'\n' | b'\r' | b'\t' | b'>' | b'"'
        );
    (len > 0 && is_sign && !is_tight).then_some((start..start + len, sign + 1))
}

/// Where the values begin of those members that hold a value, and how sure each is: `{"value": ...}`, or the same on deeper
/// lines, and `{"bob": ...}` where all that is named is a secret.
pub(super) fn member(
    text: &[u8],
    at: usize,
    lines: usize,
    outer: Strength,
) -> Option<Vec<(usize, Strength)>> {
    let is_object = byte(text, at) == b'{';
    if !is_object && (lines == 0 || !is_key(text, at)) {
        return None;
    }
    let mut values = Vec::new();
    let mut at = at + usize::from(is_object);
    let mut depth = 0;
    for _ in 0..MAX_ITEMS {
        let Some((name, value)) = next_key(text, at) else {
            break;
        };
        if is_object && byte(text, value) == b'{' {
            depth += 1;
            at = value + 1;
            continue;
        }
        let in_quotes = quote(text, value);
        let strength = value_strength(name, outer, is_object && in_quotes.is_some());
        values.extend(strength.map(|strength| (value, strength)));
        let behind_value = match in_quotes {
            Some(quote) => quoted(text, quote).end + quote.depth + 1,
            None if is_object => value + bare_len(&text[value.min(text.len())..]),
            // One line of YAML is enough.
            None => break,
        };
        let Some(next) = next_member(text, behind_value, &mut depth) else {
            break;
        };
        at = next;
    }
    Some(values)
}

/// The name of the member behind a gap, and where its value begins.
fn next_key(text: &[u8], at: usize) -> Option<(&str, usize)> {
    let (at, _) = skip_gap(text, at);
    let (name, value) = key(text, at)?;
    let name = std::str::from_utf8(&text[name]).unwrap_or_default();
    Some((name, skip_blanks(text, value)))
}

/// How sure the value of a member is; `None` if the member holds no value that is sought.
fn value_strength(name: &str, outer: Strength, is_text_of_object: bool) -> Option<Strength> {
    if is_value_name(name) {
        return Some(outer);
    }
    if is_text_of_object {
        return member_strength(name, outer);
    }
    None
}

/// Where the next member begins behind a value and the ends of the `depth` inner objects it stands in.
fn next_member(text: &[u8], behind_value: usize, depth: &mut usize) -> Option<usize> {
    let (mut at, _) = skip_gap(text, behind_value);
    while *depth > 0 && byte(text, at) == b'}' {
        *depth -= 1;
        (at, _) = skip_gap(text, at + 1);
    }
    (byte(text, at) == b',').then_some(at + 1)
}

/// The length of a value without quotes in an object.
fn bare_len(rest: &[u8]) -> usize {
    let is_part = |b: &&u8| !matches!(b, b',' | b'}' | b'\n' | b'{');
    rest.iter().take(MAX_PAIR).take_while(is_part).count()
}

/// Where the value begins that another member holds: `name: TOKEN` and then `value: ...`; the name is a value itself.
pub(super) fn value_of(text: &[u8], name: &Range<usize>) -> Option<usize> {
    if !is_named(text, name.start) {
        return None;
    }
    const VALUES: [&str; 3] = ["value", "val", "default"];
    let end = text.len().min(name.end + MAX_PAIR);
    let mut at = name.end;
    while at < end {
        match byte(text, at) {
            // Another one of the list begins, or this one has ended.
            b'{' | b'}' => return None,
            b'-' if matches!(byte(text, at + 1), b' ') && text[name.end..at].contains(&b'\n') => {
                return None;
            }
            byte if is_name_byte(byte) => {
                let len = text[at..].iter().take_while(|b| is_name_byte(**b)).count();
                let is_value = VALUES
                    .iter()
                    .any(|name| ends_with(&text[at..at + len], name));
                at += len;
                let behind = quote(text, at).map_or(at, |it| it.start);
                let sign = skip_blanks(text, behind);
                if is_value && matches!(self::byte(text, sign), b':' | b'=') {
                    return Some(sign + 1);
                }
            }
            _ => at += 1,
        }
    }
    None
}

/// Whether a member `name`, `key` or the like has its value here.
fn is_named(text: &[u8], start: usize) -> bool {
    const NAMERS: [&str; 5] = ["name", "key", "id", "field", "parameter"];
    const MAX_PATH: usize = 60;
    let is_path = |b: &u8| is_name_byte(*b) || matches!(b, b'.' | b'/');
    let before = &text[..start];
    let path = before
        .iter()
        .rev()
        .take(MAX_PATH)
        .take_while(|b| is_path(b))
        .count();
    let start = start - path;
    let mut at = start;
    let mut signs = 0;
    while at > 0 && start - at < 8 {
        match text[at - 1] {
            b':' | b'=' => signs += 1,
            b'"' | b'\'' | b'\\' | b' ' | b'`' => {}
            _ => break,
        }
        at -= 1;
    }
    let before = &text[..at];
    signs == 1 && NAMERS.iter().any(|namer| ends_with(before, namer))
}

fn ends_with(text: &[u8], ending: &str) -> bool {
    let start = text.len().checked_sub(ending.len());
    start.is_some_and(|start| text[start..].eq_ignore_ascii_case(ending.as_bytes()))
}
