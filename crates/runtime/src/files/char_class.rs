//! Character classes: the sets of characters that one place of a pattern stands for.
//!
//! A class holds at least one character, and never `/`, which separates names. Two classes are compared by their ranges,
//! not by their members.

/// A range of characters, both ends included.
type Span = (u32, u32);

const LAST: u32 = char::MAX as u32;
/// Every character except `/`; surrogates are not characters.
const ALL: [Span; 3] = [(0, 0x2e), (0x30, 0xd7ff), (0xe000, LAST)];

/// The characters that one place stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CharClass {
    /// One character.
    One(char),
    /// Every character.
    Any,
    /// The characters of these ranges, which are sorted and do not touch.
    Among(Vec<Span>),
}

impl CharClass {
    /// The characters of the ranges; all others if `negated`.
    pub(super) fn among(ranges: &[(char, char)], negated: bool) -> Self {
        let mut spans = merged(ranges);
        if negated {
            spans = gaps(&spans);
        }
        Self::Among(shared(&spans, &ALL).collect())
    }

    /// Whether the classes have a character in common.
    pub(super) fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::One(one), Self::One(other)) => one == other,
            (Self::One(one), Self::Among(spans)) | (Self::Among(spans), Self::One(one)) => {
                let one = u32::from(*one);
                shared(&[(one, one)], spans).next().is_some()
            }
            (Self::Among(spans), Self::Among(others)) => shared(spans, others).next().is_some(),
        }
    }
}

/// The ranges in order; ranges that touch are joined.
fn merged(ranges: &[(char, char)]) -> Vec<Span> {
    let mut spans: Vec<Span> = ranges
        .iter()
        .map(|(first, last)| (u32::from(*first), u32::from(*last)))
        .collect();
    spans.sort_unstable();
    spans.dedup_by(|next, span| {
        let touches = next.0 <= span.1 + 1;
        if touches {
            span.1 = span.1.max(next.1);
        }
        touches
    });
    spans
}

/// The spans before, between and after merged spans.
fn gaps(spans: &[Span]) -> Vec<Span> {
    let starts = std::iter::once(0).chain(spans.iter().map(|span| span.1 + 1));
    let ends = spans.iter().map(|span| span.0).chain([LAST + 1]);
    starts
        .zip(ends)
        .filter(|(start, end)| start < end)
        .map(|(start, end)| (start, end - 1))
        .collect()
}

/// The intersection of two sorted lists.
fn shared<'a>(mut left: &'a [Span], mut right: &'a [Span]) -> impl Iterator<Item = Span> + 'a {
    std::iter::from_fn(move || {
        while let ([one, left_rest @ ..], [other, right_rest @ ..]) = (left, right) {
            if one.1 < other.1 {
                left = left_rest;
            } else {
                right = right_rest;
            }
            let both = (one.0.max(other.0), one.1.min(other.1));
            if both.0 <= both.1 {
                return Some(both);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(class: &CharClass, c: char) -> bool {
        class.meet(&CharClass::One(c))
    }

    #[test]
    fn no_class_holds_a_slash() {
        assert!(!holds(&CharClass::among(&[('+', '9')], false), '/'));
        assert!(!holds(&CharClass::among(&[('a', 'z')], true), '/'));
        assert!(holds(&CharClass::among(&[('+', '9')], false), '0'));
        assert!(holds(&CharClass::among(&[('+', '9')], false), '.'));
    }

    #[test]
    fn classes_that_share_only_surrogates_share_nothing() {
        let low = CharClass::among(&[('\0', '\u{d7ff}')], true);
        let high = CharClass::among(&[('\u{e000}', char::MAX)], true);
        assert!(!low.meet(&high));
    }

    fn ranges() -> impl Strategy<Value = (Vec<(char, char)>, bool)> {
        let range = (any::<char>(), any::<char>()).prop_map(|(a, b)| (a.min(b), a.max(b)));
        let narrow = (32u8..127, 0u8..4).prop_map(|(a, n)| (char::from(a), char::from(a + n)));
        let list = proptest::collection::vec(prop_oneof![range, narrow], 1..5);
        (list, any::<bool>())
    }

    proptest! {
        #[test]
        fn a_class_holds_what_its_ranges_hold((list, negated) in ranges(), c in any::<char>()) {
            let class = CharClass::among(&list, negated);
            let listed = list.iter().any(|(first, last)| (*first..=*last).contains(&c));
            prop_assert_eq!(holds(&class, c), c != '/' && listed != negated);
        }

        #[test]
        fn classes_meet_if_they_share_the_end_of_a_range((a, not_a) in ranges(), (b, not_b) in ranges()) {
            let (left, right) = (CharClass::among(&a, not_a), CharClass::among(&b, not_b));
            // The least character that two classes share is the first of a range, or the one after the last of a range.
            let after = |c: char| char::from_u32(u32::from(c) + 1);
            let ends = a.iter().chain(&b).flat_map(|(first, last)| [Some(*first), after(*last)]);
            let witness = ends
                .flatten()
                .chain(['\0', '0', '\u{e000}'])
                .any(|c| holds(&left, c) && holds(&right, c));
            prop_assert_eq!(left.meet(&right), witness);
            prop_assert_eq!(right.meet(&left), witness);
        }
    }
}
