//! Which rules there are, and which of them have a say about a text.

use std::sync::LazyLock;

use super::index::WordIndex;
use super::rule::Rule;
use super::{cookies, surroundings, table, vendors};
use crate::redact::named;

/// What is found by other means than a pattern.
static FOUND: [Rule; 2] = [
    Rule::found_by(cookies::RULE, cookies::WORDS, cookies::find),
    Rule::found_by("named", named::WORDS, named::find),
];

const COUNT: usize =
    vendors::RULES.len() + table::RULES.len() + surroundings::RULES.len() + FOUND.len();

/// All rules in the order they are applied. Ours are first: the set knows the length of a key, and may end inside one that
/// has become longer.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    let ours = table::RULES.iter().chain(&surroundings::RULES);
    ours.chain(&FOUND).chain(&vendors::RULES)
}

pub(super) static INDEX: LazyLock<Option<WordIndex>> = LazyLock::new(|| WordIndex::new(all()));

/// The rules with a say about a text, in their order.
pub(in crate::redact) fn candidates(bytes: &[u8]) -> impl Iterator<Item = &'static Rule> + use<> {
    let mut candidates = [false; COUNT];
    let mut count = 0;
    if let Some(index) = INDEX.as_ref() {
        for word in index.words(bytes) {
            candidates[word.rule] = true;
            count = COUNT;
        }
    }
    // Most texts hold no word of any rule: hundreds of rules are then not looked through.
    all()
        .take(count)
        .zip(candidates)
        .filter_map(|(rule, is_candidate)| is_candidate.then_some(rule))
}
