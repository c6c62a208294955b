//! When two texts of a model are the same step, decision or task: models repeat themselves with other capitals, blanks,
//! quotation marks and full stops, and systems write one letter as one character or as two.
//!
//! Whether two tasks that are spelled otherwise may be one is in [`crate::likeness`].

use unicode_normalization::UnicodeNormalization;

/// What ends a text without meaning anything.
const CLOSING: [char; 11] = ['.', ';', ',', '!', ' ', '…', '。', '！', '；', '，', '．'];

/// What two spellings of one item have in common: composed letters in one case, single blanks, plain quotation marks, no
/// closing punctuation.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut joined = if text.is_ascii() {
        joined_ascii(text)
    } else {
        joined(&folded(text))
    };
    let trimmed = joined.trim_end_matches(CLOSING).len();
    // A text of punctuation alone stays what it is.
    if trimmed > 0 {
        joined.truncate(trimmed);
    }
    joined
}

/// Small letters with single blanks.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined.make_ascii_lowercase();
    joined
}

/// The same of a text of ASCII, whose characters need not be decoded.
fn joined_ascii(text: &str) -> String {
    let is_blank = |b: u8| matches!(b, b' ' | b'\t'..=b'\r');
    let mut joined = String::with_capacity(text.len());
    for word in text.as_bytes().split(|b| is_blank(*b)) {
        if word.is_empty() {
            continue;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.extend(word.iter().map(|b| char::from(b.to_ascii_lowercase())));
    }
    joined
}

/// Composed letters in one case, with plain quotation marks. The way leads over the capitals, since several small letters
/// share them: `ß` and `ss`, the two forms of a sigma, a ligature and its letters.
fn folded(text: &str) -> String {
    let letters = text.nfc().filter(|c| !is_invisible(*c)).map(plain_mark);
    let small = letters.flat_map(char::to_lowercase);
    let folded: String = small
        .flat_map(capitals)
        .flat_map(char::to_lowercase)
        .collect();
    // Small letters of composed capitals may be decomposed again.
    folded.nfc().collect()
}

/// The capitals of a small letter. A dotless i is another letter than i, though they share one.
fn capitals(letter: char) -> impl Iterator<Item = char> {
    let has_own = letter != '\u{131}';
    let capitals = has_own.then(|| letter.to_uppercase());
    let itself = (!has_own).then_some(letter);
    capitals.into_iter().flatten().chain(itself)
}

/// Whether two texts are spellings of one item.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    normalised(one) == normalised(other)
}

/// A name of the caller's own, as it is kept: composed letters, without blanks around it. Capitals count.
#[must_use]
pub fn name(text: &str) -> String {
    text.trim().nfc().collect()
}

/// Characters that no reader sees: blanks of no width, soft hyphens, marks of byte order.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

fn plain_mark(mark: char) -> char {
    match mark {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_item_are_the_same() {
        for (one, other, same) in [
            ("Run the tests", "run  the tests.", true),
            ("run\nthe tests", " Run the tests! ", true),
            ("run the tests", "run the test", false),
            ("ÄNDERN", "ändern", true),
            ("Maße prüfen", "masse PRÜFEN", true),
            ("STRA\u{1e9e}E", "strasse", true),
            ("Strase", "Straße", false),
            ("ΟΔΟΣ", "οδος", true),
            ("οδος", "οδοσ", true),
            ("\u{fb01}x it", "FIX IT", true),
            ("k\u{131}r", "kir", false),
            ("...", "...", true),
            ("...", "!!!", false),
            ("v1.2", "v1.2.", true),
            ("v1.2", "v12", false),
            ("caf\u{e9}", "cafe\u{301}", true),
            ("CAFE\u{301}", "caf\u{e9}", true),
            ("cafe", "caf\u{e9}", false),
            ("\u{ac00}", "\u{1100}\u{1161}", true),
            ("\u{130}", "i\u{307}", true),
            ("run\u{a0}the\u{3000}tests", "run the tests", true),
            ("run\u{200b} the tests\u{feff}", "run the tests", true),
            (
                "don\u{2019}t \u{201c}guess\u{201d}",
                "don't \"guess\"",
                true,
            ),
            ("写测试。", "写测试", true),
            ("Ａ", "A", false),
        ] {
            assert_eq!(is_same(one, other), same, "{one:?} {other:?}");
            assert_eq!(normalised(&normalised(one)), normalised(one), "{one:?}");
        }
    }

    #[test]
    fn a_name_is_one_in_composed_and_decomposed_letters_and_keeps_its_capitals() {
        assert_eq!(name(" cafe\u{301} "), "caf\u{e9}");
        assert_eq!(name("T1"), "T1");
    }
}
