//! Texts of programs, cut to a length between letters. A secret is taken out before a text is cut: half a secret looks like
//! none.

use shim_runtime::redact;

/// Room for the words in the place of what is left out.
pub(crate) const MARKER_BYTES: usize = 64;

/// The words in the place of `missing` bytes.
pub(crate) fn marker(missing: impl std::fmt::Display) -> String {
    format!("\n[... {missing} bytes left out ...]\n")
}

/// How many bytes a text stands for that is left out: its own, and those that its marks stand for.
pub(crate) fn stands_for(text: &str) -> usize {
    let marks = text.split("[... ").skip(1);
    let counts = marks.filter_map(|mark| mark.split_once(" bytes left out ...]")?.0.parse().ok());
    counts.fold(text.len(), usize::saturating_add)
}

/// The head and the tail of a text of more than `max` bytes, at most `max` bytes in all; and whether something is missing.
/// The text must hold no secrets any more.
#[must_use]
pub fn clipped(text: &str, max: usize) -> (String, bool) {
    if text.len() <= max {
        return (text.to_owned(), false);
    }
    let half = max.saturating_sub(MARKER_BYTES) / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    let marker = marker(stands_for(&text[head..tail]));
    (format!("{}{marker}{}", &text[..head], &text[tail..]), true)
}

/// The first line that is not blank, at most `max` bytes of it, without secrets.
#[must_use]
pub fn first_line(text: &str, max: usize) -> String {
    let text = redact::text(text);
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or("");
    line[..line.floor_char_boundary(max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clipped_text_is_cut_between_letters() {
        let (text, is_cut) = clipped(&"ü".repeat(1_000), 201);
        assert!(is_cut && text.len() <= 201 && text.starts_with('ü') && text.ends_with('ü'));
        assert_eq!(clipped("short", 5), ("short".to_owned(), false));
        assert_eq!(first_line("\n  \n  one two \n", 5), "one t");
    }

    #[test]
    fn a_text_that_is_cut_twice_says_how_much_is_missing_in_all() {
        let text = format!(
            "{}{}{}",
            "a".repeat(500),
            marker(1_000_000),
            "b".repeat(500)
        );
        let (text, is_cut) = clipped(&text, 201);
        let left_out = 1_000_000 + 1_000 + marker(1_000_000).len() - 2 * ((201 - MARKER_BYTES) / 2);
        assert!(is_cut && text.contains(&marker(left_out)), "{text}");
        assert_eq!(stands_for("[... x bytes left out ...] [... "), 32);
    }
}
