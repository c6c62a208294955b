//! The characters that a reader does not see, or that end a line for some reader.
//!
//! Terminals act on control characters of 7 and 8 bits; editors, browsers and languages each know other ends of a line;
//! marks of direction reorder what stands beside them; zero-width characters part a word without a sign.

/// Whether some reader takes the character for the end of a line.
#[must_use]
pub fn ends_line(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Whether a character changes the order in which its neighbours are shown.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character takes no room where it stands alone. Joiners and variation selectors do not belong here: between
/// letters of their scripts and in emoji they are seen by what they change.
fn is_zero_width(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// A joiner, or a selector of a glyph's variant.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a character is never shown as it is, whatever stands beside it.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control() || ends_line(c) || turns_direction(c) || is_zero_width(c)
}

/// Whether a character is hidden behind `before`: a joiner behind a letter of ASCII, behind another joiner or at the
/// beginning joins nothing. The number signs of keycaps are the exception.
#[must_use]
pub fn is_hidden_behind(c: char, before: Option<char>) -> bool {
    if !is_joiner(c) {
        return is_hidden(c);
    }
    let joins = |before: char| {
        let keycap = matches!(before, '0'..='9' | '#' | '*') && c == '\u{fe0f}';
        let emoji = before == '\u{fe0f}' && c == '\u{200d}';
        keycap || emoji || !(before.is_ascii() || is_joiner(before) || is_hidden(before))
    };
    !before.is_some_and(joins)
}

/// Whether no name or path may hold the character: it ends a line, is no text, or reorders the text around it.
#[must_use]
pub fn breaks_names(c: char) -> bool {
    c.is_control() || ends_line(c) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether JSON shows the character as an escape: whatever is hidden, or may be.
pub(crate) fn is_escaped_in_json(c: char) -> bool {
    // Below the blank stand the line breaks between the values of a document; inside of texts they are escapes already.
    c >= '\u{7f}' && (is_hidden(c) || is_joiner(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_hidden_and_what_scripts_need_is_not() {
        for c in [
            '\0',
            '\n',
            '\r',
            '\t',
            '\u{b}',
            '\u{c}',
            '\u{1b}',
            '\u{1c}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{9d}',
            '\u{2028}',
            '\u{2029}',
            '\u{200b}',
            '\u{200e}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{61c}',
            '\u{ad}',
            '\u{feff}',
            '\u{2060}',
            '\u{3164}',
            '\u{e0041}',
        ] {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in [
            'a',
            ' ',
            'ä',
            '中',
            '\u{a0}',
            '\u{202f}',
            '\u{1f600}',
            '\u{301}',
        ] {
            assert!(!is_hidden(c) && !breaks_names(c), "{c:?}");
        }
    }

    #[test]
    fn a_joiner_is_hidden_where_it_joins_nothing() {
        let hidden = |text: &str| {
            let mut before = None;
            text.chars().any(|c| is_hidden_behind(c, before.replace(c)))
        };
        for plain in [
            "می\u{200c}خواهم",
            "👩\u{200d}💻",
            "❤\u{fe0f}",
            "🏳\u{fe0f}\u{200d}🌈",
            "1\u{fe0f}\u{20e3}",
            "葛\u{e0100}",
        ] {
            assert!(!hidden(plain), "{plain:?}");
        }
        for smuggled in [
            "sk-\u{200d}ant",
            "\u{200c}a",
            "❤\u{fe0f}\u{fe0f}",
            "a\u{e0100}",
            "x\u{fe01}",
        ] {
            assert!(hidden(smuggled), "{smuggled:?}");
        }
    }
}
