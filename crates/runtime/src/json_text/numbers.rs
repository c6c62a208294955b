//! Numbers that a reader of JSON would change: they are found in the text, where all their digits still are.

use serde::de::IgnoredAny;

use super::walk::Walker;
use crate::doubles::{FIRST_INEXACT, is_exact};

/// More than so many are not listed.
const MAX_LISTED: usize = 16;
/// A number is shown up to so many characters.
const SHOWN_BYTES: usize = 60;

/// A number that free-form data cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InexactNumber {
    /// Its place, for example `payload.ids[0]`.
    pub place: String,
    /// As it was written, cut after 60 bytes.
    pub number: String,
}

/// The first number of a JSON text that free-form data cannot hold.
#[must_use]
pub fn inexact_number(text: &[u8]) -> Option<InexactNumber> {
    inexact_numbers(text).into_iter().next()
}

/// The numbers of a JSON text that free-form data cannot hold, 16 at most.
#[must_use]
pub fn inexact_numbers(text: &[u8]) -> Vec<InexactNumber> {
    let (mut walker, mut found) = (Walker::new(text), Vec::new());
    while found.len() < MAX_LISTED
        && let Some(bare) = walker.next_bare()
    {
        let bare = &text[bare];
        if is_inexact(bare) {
            found.push(InexactNumber {
                place: walker.path(),
                number: String::from_utf8_lossy(&bare[..bare.len().min(SHOWN_BYTES)]).into_owned(),
            });
        }
    }
    found
}

/// A JSON text with each such number in quotes, which keeps its digits; `None` if there is none.
#[must_use]
pub fn quote_inexact(text: &str) -> Option<String> {
    let mut walker = Walker::new(text.as_bytes());
    let (mut quoted, mut kept) = (String::new(), 0);
    while let Some(bare) = walker.next_bare() {
        if is_inexact(&text.as_bytes()[bare.clone()]) {
            quoted.push_str(&text[kept..bare.start]);
            quoted.push_str(&format!("\"{}\"", &text[bare.clone()]));
            kept = bare.end;
        }
    }
    (kept > 0).then(|| quoted + &text[kept..])
}

/// Whether it is a number whose value a double does not hold. Fractions are doubles for every reader of JSON, whatever
/// their last digits; whole numbers are not.
fn is_inexact(bare: &[u8]) -> bool {
    let is_number = |text: &&str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    let begins_so = bare
        .first()
        .is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
    // Most numbers are short, and then exact.
    if !begins_so || bare.len() < 16 && !bare.iter().any(|byte| b"eE".contains(byte)) {
        return false;
    }
    let Some(text) = std::str::from_utf8(bare).ok().filter(is_number) else {
        return false;
    };
    let Ok(double) = text.parse::<f64>() else {
        return false;
    };
    let (digits, exponent) = decimal(text);
    if double == 0.0 {
        return !digits.is_empty();
    }
    let is_large = double.abs() >= FIRST_INEXACT;
    !is_exact(double) || is_large && (digits, exponent) != decimal(&format!("{double:e}"))
}

/// The significant digits, and the power of ten of the last of them.
fn decimal(number: &str) -> (String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole.trim_start_matches('-'), fraction].concat();
    let trimmed = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - trimmed.len()).unwrap_or(i64::MAX);
    let after_point = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX);
    let exponent = exponent.saturating_add(dropped).saturating_sub(after_point);
    (trimmed.trim_start_matches('0').to_owned(), exponent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_a_double_changes_are_found_and_others_are_not() {
        let inexact = [
            "9007199254740993",
            "9007199254740992",
            "-9007199254740993",
            "1234567890123456789",
            "18446744073709551616",
            "100000000000000000000000001",
            "1e400",
            "-1e400",
            "1e-400",
            "12345678901234567890123456789012345678901234567890",
            "9007199254740993.0",
            "9.007199254740993e15",
        ];
        for number in inexact {
            assert!(is_inexact(number.as_bytes()), "{number}");
        }
        let exact = [
            "0",
            "-0",
            "1",
            "1.0",
            "9007199254740991",
            "-9007199254740991",
            "0.1",
            "1e300",
            "1E+300",
            "5e-324",
            "0.30000000000000004",
            "3.14159265358979323846",
            "0.50000000000000000000",
            "1e-7",
            "0e999",
            "0.0e-999",
            "true",
            "NaN",
            "1764514736123456",
        ];
        for number in exact {
            assert!(!is_inexact(number.as_bytes()), "{number}");
        }
    }

    #[test]
    fn places_are_named_and_texts_are_left_alone() {
        let text = r#"{"a":"9007199254740993","b":[1,{"c":9007199254740993}],"d":1e999}"#;
        let found = inexact_numbers(text.as_bytes());
        let places: Vec<_> = found.iter().map(|found| found.place.as_str()).collect();
        assert_eq!(places, ["b[1].c", "d"]);
        assert_eq!(
            quote_inexact(text).unwrap(),
            r#"{"a":"9007199254740993","b":[1,{"c":"9007199254740993"}],"d":"1e999"}"#
        );
        assert_eq!(quote_inexact(r#"{"a":1}"#), None);
    }

    proptest! {
        /// A whole number either comes back from its double digit for digit, or is found.
        #[test]
        fn a_whole_number_is_kept_or_found(number in any::<i128>(), cut in 0u32..120) {
            let number = number >> cut;
            let text = number.to_string();
            let double: f64 = text.parse().unwrap();
            let is_kept = format!("{double:.0}") == text || decimal(&format!("{double:e}")) == decimal(&text);
            prop_assert!(is_inexact(text.as_bytes()) || is_kept);
        }

        /// What a double prints is a number that the double holds, or is found.
        #[test]
        fn a_double_is_kept_or_found(bits in any::<u64>()) {
            let double = f64::from_bits(bits);
            prop_assume!(double.is_finite());
            let text = format!("{double:e}");
            prop_assert_eq!(is_inexact(text.as_bytes()), !is_exact(double));
        }
    }
}
