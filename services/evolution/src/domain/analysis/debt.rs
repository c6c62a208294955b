//! Markers of debt in the text of a comment.

use super::facts::Marker;
use super::places::{Lines, number};

const WORDS: [&str; 5] = ["TODO", "FIXME", "HACK", "XXX", "BUG"];
const MAX_TEXT_CHARS: usize = 200;

/// Adds the markers of the comment at `from..to` of the text: at most one in each of its lines. A word counts in capitals,
/// or in any case before a colon or behind an `@`.
pub(crate) fn find(text: &str, lines: &Lines<'_>, from: usize, to: usize, into: &mut Vec<Marker>) {
    let Some(comment) = text.get(from..to) else {
        return;
    };
    let mut at = from;
    for line in comment.split_inclusive(['\n', '\r', '\u{2028}', '\u{2029}']) {
        if let Some((start, word)) = first_word(line) {
            let (row, column) = lines.place(at + start);
            into.push(Marker {
                word: word.to_owned(),
                text: rest(&line[start + word.len()..]),
                line: row,
                column,
                end_column: column + number(word.len()),
            });
        }
        at += line.len();
    }
}

fn first_word(line: &str) -> Option<(usize, &'static str)> {
    let found = WORDS
        .iter()
        .filter_map(|word| Some((position(line, word)?, *word)));
    found.min()
}

fn position(line: &str, word: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 128;
    (0..(bytes.len() + 1).saturating_sub(word.len())).find(|start| {
        let end = start + word.len();
        let before = start.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(end).copied();
        let stands_alone = !before.is_some_and(is_part) && !after.is_some_and(is_part);
        let here = &bytes[*start..end];
        let is_marked = after == Some(b':') || before == Some(b'@');
        stands_alone
            && (here == word.as_bytes() || is_marked && here.eq_ignore_ascii_case(word.as_bytes()))
    })
}

fn rest(line: &str) -> String {
    let line = line.trim().trim_end_matches("*/").trim_end_matches("-->");
    let line = line.trim_start_matches([':', '-', ' ', '\t']).trim();
    line.chars().take(MAX_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(comment: &str) -> Vec<(String, String, u32, u32)> {
        let mut markers = Vec::new();
        find(
            comment,
            &Lines::new(comment),
            0,
            comment.len(),
            &mut markers,
        );
        let parts = |marker: Marker| (marker.word, marker.text, marker.line, marker.column);
        markers.into_iter().map(parts).collect()
    }

    #[test]
    fn each_line_of_a_comment_has_its_marker() {
        let markers = found("/* TODO: one\n * FIXME(ann) two é */");
        assert_eq!(
            markers,
            [
                ("TODO".into(), "one".into(), 1, 4),
                ("FIXME".into(), "(ann) two é".into(), 2, 4)
            ]
        );
    }

    #[test]
    fn words_within_words_are_none() {
        for comment in [
            "// TODOs",
            "// mastodon todo list",
            "// _HACK",
            "// debugging",
            "// éXXX",
        ] {
            assert_eq!(found(comment), [], "{comment}");
        }
        for comment in ["// todo: x", "// @todo x", "// HACK", "//XXX"] {
            assert_eq!(found(comment).len(), 1, "{comment}");
        }
    }
}
