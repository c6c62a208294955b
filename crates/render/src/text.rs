//! Foreign text made fit for a line, a cell or a budget of bytes, and ids made short.
//!
//! What a model or a program wrote may be long, hold line breaks, carry terminal escapes, and imitate what SHIM says.
//! [`crate::page::Page`] puts such texts into answers; the functions here are what it, tables and logs are made of.

use std::borrow::Cow;
use std::fmt::Write;

use crate::hidden::{ends_line, is_escaped_in_json, is_hidden_behind};

/// Stands at the end of every text that was cut; 3 bytes, one column.
const MARK: &str = "…";

/// Stands before each line of a foreign text of several lines.
pub const QUOTE: &str = "> ";

/// The digits of an id that differ between neighbours: `UUIDv7` ids of one hour begin alike.
const SHORT_ID: usize = 8;

/// How the verdicts of prompts and answers begin, in small letters.
const OWN_BEGINNINGS: [&str; 9] = [
    "all of it was observed",
    "everything checked",
    "nothing was",
    "nothing else",
    "of what the checkpoint",
    "not listed, since",
    "left out here",
    "told by the model",
    "when it was last seen",
];

/// At most `max` characters of a text, the mark of the cut among them.
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.chars().nth(max).is_none() {
        return text.into();
    }
    let kept = text.char_indices().nth(max.saturating_sub(1));
    let end = kept.map_or(text.len(), |(at, _)| at);
    format!("{}{MARK}", &text[..end]).into()
}

/// At most `max` bytes of a text, the mark of the cut among them. `max` is at least the mark's 3 bytes.
#[must_use]
pub fn cut_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text.into();
    }
    let end = text.floor_char_boundary(max.saturating_sub(MARK.len()));
    format!("{}{MARK}", &text[..end]).into()
}

/// What a text takes of a limit that a client counts in characters: its UTF-16 units as a JSON string holds them. The end of
/// a line, a quotation mark and a backslash count twice, since they are escaped there.
#[must_use]
pub fn weight(text: &str) -> usize {
    text.chars().map(weight_of).sum()
}

fn weight_of(c: char) -> usize {
    match c {
        '\n' | '\r' | '\t' | '"' | '\\' => 2,
        c => c.len_utf16(),
    }
}

/// At most `max` of a text by its [`weight`], the mark of the cut among them.
#[must_use]
pub fn cut_weight(text: &str, max: usize) -> Cow<'_, str> {
    // A byte weighs two at most.
    if text.len() <= max / 2 || weight(text) <= max {
        return text.into();
    }
    let (mut end, mut taken) = (0, 0);
    for (at, c) in text.char_indices() {
        taken += weight_of(c);
        if taken >= max {
            break;
        }
        end = at + c.len_utf8();
    }
    match max {
        0 => Cow::Borrowed(""),
        _ => format!("{}{MARK}", &text[..end]).into(),
    }
}

/// The text as one line on which nothing is hidden: ends of lines, control characters, marks of direction and zero-width
/// characters stand as escapes such as `\n` and `\u{202e}`, so that what they part does not join.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// One line of at most `max` characters: runs of white space become a blank, and nothing is hidden.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line(&joined), max).into_owned()
}

/// A name or path in one line: as it is if it cannot be taken for anything else, otherwise between quotation marks.
#[must_use]
pub fn name(text: &str, max: usize) -> String {
    let shown = line(text);
    let is_plain = !imitates(&shown)
        && !shown.contains(['"', '|'])
        && !shown.contains(": ")
        && shown.trim() == shown
        && matches!(shown, Cow::Borrowed(_));
    if is_plain {
        return cut(&shown, max).into_owned();
    }
    format!("\"{}\"", cut(&shown, max).replace('"', "\\\""))
}

/// One line of at most `max` characters where a line of ours begins: between quotation marks unless it is one plain word.
#[must_use]
pub fn title(text: &str, max: usize) -> String {
    let shown = one_line(text, max);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@#".contains(c);
    if shown.chars().all(is_plain) && !imitates(&shown) {
        return shown;
    }
    format!("\"{}\"", shown.replace('"', "\\\""))
}

/// One line of at most `max` characters behind a sign or a word of ours: between quotation marks if it could be taken for
/// a line of ours.
#[must_use]
pub fn entry(text: &str, max: usize) -> String {
    match one_line(text, max) {
        shown if imitates(&shown) => format!("\"{shown}\""),
        shown => shown,
    }
}

/// A text behind the sign of an item: one line, between quotation marks if it could be taken for ours. `None` if it has
/// several lines.
#[must_use]
pub fn item(text: &str) -> Option<String> {
    let text = text.trim_end();
    if text.contains(ends_line) {
        return None;
    }
    let shown = line(text);
    Some(match imitates(&shown) {
        true => format!("\"{}\"", shown.trim_start()),
        false => shown.into_owned(),
    })
}

/// Whether a line could be taken for one of ours: a name with its colon, a heading, an item, a row of a table, a line of
/// a log, the edge of a block, a tag, or one of the sentences that answers begin with.
#[must_use]
pub fn imitates(line: &str) -> bool {
    let text = line.trim_start();
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_log = first.len() >= 10
        && first.bytes().take(4).all(|byte| byte.is_ascii_digit())
        && first.as_bytes()[4] == b'-';
    let is_listed = is_number(first.trim_end_matches(['.', ')'])) && first.ends_with(['.', ')']);
    let small = text.get(..24).unwrap_or(text).to_lowercase();
    text.starts_with(['#', '-', '>', '*', '+', '|', '•', '<', '['])
        || text.starts_with("```")
        || text.starts_with("~~~")
        || first.ends_with(':')
        || text.contains(" | ")
        || has_label(text)
        || is_log
        || is_listed
        || OWN_BEGINNINGS.iter().any(|own| small.starts_with(own))
        || small.contains("thing(s)")
}

/// Whether a text of few words before a colon begins it: `Next step: ...`, `src/a b.rs: unchanged`.
fn has_label(text: &str) -> bool {
    let label = text.split_once(": ").map(|(label, _)| label);
    label.is_some_and(|label| label.len() <= 40 && label.split_whitespace().count() <= 3)
}

/// The lines of a text, whichever end of a line it uses, each without anything hidden but tabs.
pub fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.find(ends_line);
        let (line, behind) = end.map_or((text, None), |end| {
            let mut behind = &text[end..];
            let length = behind.chars().next().map_or(0, char::len_utf8);
            behind = behind.strip_prefix("\r\n").unwrap_or(&behind[length..]);
            (&text[..end], Some(behind))
        });
        rest = behind;
        Some(escaped(line, |c| c == '\t'))
    })
}

/// A text of several lines without anything hidden but tabs: for readers that set it off by themselves.
#[must_use]
pub fn printable(text: &str) -> String {
    lines(text).collect::<Vec<_>>().join("\n")
}

/// A foreign text with [`QUOTE`] before each of its lines, behind `indent`.
#[must_use]
pub fn quoted(text: &str, indent: &str) -> String {
    let lines = lines(text.trim_end()).map(|line| format!("{indent}{QUOTE}{line}"));
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A JSON document with the same values, in which nothing is hidden: such characters stand as `\u009b`.
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    if document.is_ascii() && !document.contains('\u{7f}') {
        return document.into();
    }
    if !document.contains(is_escaped_in_json) {
        return document.into();
    }
    let mut escaped = String::with_capacity(document.len() + 64);
    for c in document.chars() {
        if is_escaped_in_json(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.into()
}

/// The text with an escape in place of each hidden character that is not `kept`.
fn escaped(text: &str, kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let mut before = None;
    let is_shown = |c: char, before: Option<char>| kept(c) || !is_hidden_behind(c, before);
    let Some((first, _)) = text
        .char_indices()
        .find(|(_, c)| !is_shown(*c, before.replace(*c)))
    else {
        return text.into();
    };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    let mut before = text[..first].chars().next_back();
    for c in text[first..].chars() {
        match c {
            c if is_shown(c, before) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
        }
        before = Some(c);
    }
    escaped.into()
}

/// The last eight characters of an id, which every command takes in place of the whole id.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.char_indices()
        .nth_back(SHORT_ID - 1)
        .map_or(id, |(start, _)| &id[start..])
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
