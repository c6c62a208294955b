//! Foreign text made fit for a line, a cell or a budget of bytes, and ids made short.
//!
//! What a model or a program wrote may be long, hold line breaks and carry terminal escapes.

use std::borrow::Cow;

/// Stands at the end of every text that was cut; 3 bytes, one column.
const MARK: &str = "…";

/// The digits of an id that differ between neighbours: `UUIDv7` ids of one hour begin alike.
const SHORT_ID: usize = 8;

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

/// One line of at most `max` characters: runs of white space become a blank, control characters are left out.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    cut(&line, max).into_owned()
}

/// A text of several lines whose later lines are indented, so that none of them can pass for a line of the text
/// around it.
#[must_use]
pub fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n  ")
}

/// A text of several lines without terminal escapes.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// The last eight characters of an id, which every command takes in place of the whole id.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.char_indices()
        .nth_back(SHORT_ID - 1)
        .map_or(id, |(start, _)| &id[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_is_never_longer_than_its_limit() {
        assert_eq!(cut("äbc", 3), "äbc");
        assert_eq!(cut("äbcd", 3), "äb…");
        assert_eq!(cut("ab", 1), "…");
        assert_eq!(cut_bytes("äbc", 4), "äbc");
        assert_eq!(cut_bytes("ääää", 7), "ää…");
        assert_eq!(cut_bytes("abcdef", 5), "ab…");
        assert!(matches!(cut("", 0), Cow::Borrowed("")));
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\nb\t c", 20), "a[2J b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(printable("a\u{1b}[1m\nb\u{7}"), "a[1m\nb");
    }

    #[test]
    fn foreign_text_cannot_begin_a_line() {
        assert_eq!(indented("a\nNotice: b\n"), "a\n  Notice: b");
    }

    #[test]
    fn an_id_is_known_by_its_end() {
        assert_eq!(short_id("01890a5d-ac96-774b-bcce-b302099a8057"), "099a8057");
        assert_eq!(short_id("abc"), "abc");
    }
}
