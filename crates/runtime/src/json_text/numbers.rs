//! Numbers that a reader of JSON would change: they are found in the text, where all their digits still are.

use serde::de::IgnoredAny;

use super::walk::{Element, Walker};
use crate::doubles::{FIRST_INEXACT, is_exact};

/// A decimal of so many digits names one double, and is what that double is to so many digits.
const DIGITS_OF_A_DOUBLE: usize = 17;

/// A JSON text with each such number in quotes, which keeps its digits; `None` if there is none.
#[must_use]
pub fn quote_inexact(text: &str) -> Option<String> {
    let mut walker = Walker::new(text.as_bytes());
    let (mut quoted, mut kept) = (String::new(), 0);
    while let Some(element) = walker.next() {
        let Element::Bare(bare) = element else {
            continue;
        };
        if is_inexact(&text.as_bytes()[bare.clone()]) {
            quoted.push_str(&text[kept..bare.start]);
            quoted.push_str(&format!("\"{}\"", &text[bare.clone()]));
            kept = bare.end;
        }
    }
    (kept > 0).then(|| quoted + &text[kept..])
}

/// Whether it is a number that would come back as another one. A decimal of 17 digits or fewer may be written otherwise than
/// its double is printed (`0.10000000000000001` is 0.1); with more digits than a double has, the last of them are lost.
#[must_use]
pub fn is_inexact(bare: &[u8]) -> bool {
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
    let written = decimal(text);
    if double == 0.0 {
        return !written.0.is_empty();
    }
    if !is_exact(double) {
        return true;
    }
    if written == decimal(&format!("{double:e}")) {
        return false;
    }
    let digits = written.0.len();
    let is_beyond = double.abs() >= FIRST_INEXACT || digits > DIGITS_OF_A_DOUBLE;
    is_beyond || written != decimal(&format!("{double:.*e}", digits.saturating_sub(1)))
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
            "0.1234567890123456789",
            "3.14159265358979323846",
            "1.00000000000000000001",
            "4503599627370497.53",
            "0.12345678901234567",
            "-1e-400",
            "1e999",
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
            "3.141592653589793",
            "0.10000000000000001",
            "4.9406564584124654e-324",
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
    fn digits_are_kept_in_quotes_and_texts_are_left_alone() {
        let text = r#"{"a":"9007199254740993","b":[1,{"c":9007199254740993}],"d":1e999}"#;
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
