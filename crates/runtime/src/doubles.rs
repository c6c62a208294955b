//! Doubles as what they are for JSON: the only numbers there are, and not enough for every whole number.

/// 2^53: the first whole number that shares its double with another one.
pub(crate) const FIRST_INEXACT: f64 = 9_007_199_254_740_992.0;
/// 2^64: from here on no language has whole numbers of a fixed size.
const BEYOND_INTEGERS: f64 = 18_446_744_073_709_551_616.0;
/// A decimal of so many digits comes back from its double.
const KEPT_DIGITS: usize = 15;

/// Whether a double is the only number that whoever wrote it can have meant. From 2^53 on it may stand for other whole
/// numbers; a round one such as 1e300 beyond all integers is meant as it is.
#[must_use]
pub fn is_exact(number: f64) -> bool {
    let size = number.abs();
    let is_round = || size.is_finite() && digits(size) <= KEPT_DIGITS;
    size < FIRST_INEXACT || size >= BEYOND_INTEGERS && is_round()
}

fn digits(number: f64) -> usize {
    let text = format!("{number:e}");
    let mantissa = text.split('e').next().unwrap_or_default();
    mantissa.bytes().filter(u8::is_ascii_digit).count()
}
