//! Parts of ids as people type them: tables show the last eight digits, and a beginning does as well.

/// Fewer digits would match too many ids.
const MIN_DIGITS: usize = 6;
/// The digits of a whole id.
const ALL_DIGITS: usize = 32;

/// Digits from the beginning or the end of an id, in small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPart(String);

impl IdPart {
    /// Reads six or more digits, with or without hyphens; `None` for what is no part of an id.
    #[must_use]
    pub fn of(typed: &str) -> Option<Self> {
        let digits = typed.trim().replace('-', "").to_lowercase();
        let is_part = (MIN_DIGITS..=ALL_DIGITS).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_part.then_some(Self(digits))
    }

    /// Whether the id begins or ends with them.
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        let id = id.replace('-', "");
        id.starts_with(&self.0) || id.ends_with(&self.0)
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn six_or_more_digits_match_at_either_end() {
        for (typed, expected) in [
            ("099a8057", Some(true)),
            ("099A8057", Some(true)),
            (" 099a8057 ", Some(true)),
            ("01890a5d-ac96", Some(true)),
            ("01890a5dac96774bbcceb302099a805", Some(true)),
            (WHOLE, Some(true)),
            ("774bbc", Some(false)),
            ("9a0b1c2d", Some(false)),
            ("9a805", None),
            ("", None),
            ("new", None),
            ("goal", None),
            ("9a0b1c2g", None),
            ("../../etc", None),
            ("01890a5dac96774bbcceb302099a80571", None),
        ] {
            let matched = IdPart::of(typed).map(|part| part.matches(WHOLE));
            assert_eq!(matched, expected, "{typed:?}");
        }
    }
}
