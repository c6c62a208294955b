//! What a secret looks like. The keys and tokens of vendors are in [`vendors`], a maintained rule set; secrets without a
//! vendor or without a prefix of their own, and looser forms of common ones, are in [`table`]; [`surroundings`] reveal the
//! rest, and the names that [`named`] reads.
//!
//! A rule is tried only on texts that hold one of its words; one pass over the text finds the words of all rules. A
//! pattern's first group is the secret; the text around it stays readable.

mod candidates;
mod cookies;
mod index;
mod message_words;
mod rule;
mod surroundings;
mod table;
mod vendors;

use super::{marks, named, names};
pub(super) use candidates::candidates;
pub(super) use message_words::MessageWords;
pub(super) use rule::Rule;
pub(super) use rule::VENDOR;

/// The last place in a text, not after `end`, that no secret spans; better the end of a line than the middle. If one
/// spans all of it, the first place after.
pub(super) fn split_point(text: &str, end: usize) -> usize {
    let end = text.floor_char_boundary(end);
    let half = text.floor_char_boundary(end / 2);
    let line_end = text[half..end].rfind('\n').map(|at| half + at + 1);
    let mut split_point = line_end.unwrap_or(end);
    let rules = candidates(text.as_bytes());
    let spans: Vec<_> = rules.flat_map(|rule| rule.find(text)).collect();
    let spans = |split_point| {
        let mut wholes = spans.iter().map(|found| &found.whole);
        wholes.find(|whole| whole.start < split_point && split_point < whole.end)
    };
    while let Some(spanning) = spans(split_point) {
        split_point = spanning.start;
    }
    if split_point > 0 {
        return split_point;
    }
    split_point = end;
    while let Some(spanning) = spans(split_point) {
        split_point = spanning.end;
    }
    split_point
}

/// Shows a zero for every rule, so that a first secret is an increase.
pub(crate) fn init_series() {
    for name in names() {
        marks::init_series(name);
    }
}

/// Every name that secrets are counted by.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let ours = table::RULES.iter().chain(&surroundings::RULES);
    let ours = ours.map(|rule| rule.name).chain([cookies::RULE]);
    ours.chain(named::NAMES).chain([VENDOR, names::RULE])
}
