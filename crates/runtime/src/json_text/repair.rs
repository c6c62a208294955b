//! Half characters: what a text cut in the middle of an emoji holds, and bytes that are no UTF-8.

use std::borrow::Cow;

/// What stands for a character that cannot be read.
const REPLACEMENT: &str = "\\ufffd";
/// `\uXXXX`
const ESCAPE_BYTES: usize = 6;

/// The text with U+FFFD in place of each half of a surrogate pair and of bytes that are no UTF-8; `None` if it has neither.
#[must_use]
pub fn repair(text: &[u8]) -> Option<String> {
    let decoded = String::from_utf8_lossy(text);
    match replace_half_pairs(&decoded) {
        Some(repaired) => Some(repaired),
        None => match decoded {
            Cow::Borrowed(_) => None,
            Cow::Owned(decoded) => Some(decoded),
        },
    }
}

/// Only texts hold backslashes in JSON, so what is no escape here is no JSON either.
fn replace_half_pairs(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut repaired, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + found;
        at = (escape + 2).min(bytes.len());
        match code_unit(bytes, escape) {
            Some(0xD800..=0xDBFF) if is_low(bytes, escape + ESCAPE_BYTES) => {
                at = escape + 2 * ESCAPE_BYTES;
            }
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(&text[kept..escape]);
                repaired.push_str(REPLACEMENT);
                at = escape + ESCAPE_BYTES;
                kept = at;
            }
            _ => {}
        }
    }
    if kept == 0 {
        return None;
    }
    repaired.push_str(&text[kept..]);
    Some(repaired)
}

/// The code unit of the escape `\uXXXX` that begins here.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + ESCAPE_BYTES)?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

fn is_low(bytes: &[u8], at: usize) -> bool {
    matches!(code_unit(bytes, at), Some(0xDC00..=0xDFFF))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_half_of_a_pair_becomes_one_replacement() {
        let cases = [
            (r#""fix \ud82d""#, "fix \u{FFFD}"),
            (r#""\uDE00 end""#, "\u{FFFD} end"),
            (r#""\ud83d\ud83d\ude00""#, "\u{FFFD}\u{1F600}"),
            (r#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
            (r#""\ud83dx\ude00""#, "\u{FFFD}x\u{FFFD}"),
            (r#""\ud83d\n""#, "\u{FFFD}\n"),
            (r#""\\\ud83d""#, "\\\u{FFFD}"),
            (r#""\ud83d\\ude00""#, "\u{FFFD}\\ude00"),
        ];
        for (text, expected) in cases {
            let repaired = repair(text.as_bytes()).unwrap();
            let read: Value = serde_json::from_str(&repaired).unwrap();
            assert_eq!(read, expected, "{text}");
        }
        let cut = repair(b"\"caf\xC3\"").unwrap();
        assert_eq!(cut, "\"caf\u{FFFD}\"");
    }

    #[test]
    fn what_is_whole_stays_as_it_is() {
        for text in [
            r#""\ud83d\ude00 \\ud83d \n""#,
            "\"\u{1F600}\"",
            "",
            "\\",
            r"\u",
            r"\ud8",
        ] {
            assert_eq!(repair(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Whatever a client cuts: the result can be read, and what could be read before is not touched.
        #[test]
        fn any_text_of_code_units_can_be_read_after_the_repair(units in prop::collection::vec(any::<u16>(), 0..40)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text = format!("\"{escaped}\"");
            let repaired = repair(text.as_bytes()).unwrap_or(text);
            let read: String = serde_json::from_str(&repaired).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let repaired = repair(&bytes);
            prop_assert!(repaired.is_none_or(|text| repair(text.as_bytes()).is_none()));
        }
    }
}
