//! Which rules have a say about a text: those of whose words it holds one. One pass over the text, whatever the number
//! of rules.
//!
//! The pass looks for the first bytes of the words alone and compares the rest where it finds them: whole words would
//! take twice the memory, and no less time.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::rule::Rule;

/// Bytes of a word that the pass looks for: with three it stops too often.
const BEGINNING: usize = 4;

/// The words of all rules, and whose they are.
pub(super) struct WordIndex {
    beginnings: AhoCorasick,
    /// For each beginning, the words that go on from it.
    entries: Vec<Vec<WordEntry>>,
}

/// Where a word stands, and the place of its rule among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundWord {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) rule: usize,
}

struct WordEntry {
    word: &'static [u8],
    rule: usize,
}

impl WordIndex {
    pub(super) fn new(rules: impl Iterator<Item = &'static Rule>) -> Option<Self> {
        let mut by_beginning: BTreeMap<&[u8], Vec<WordEntry>> = BTreeMap::new();
        for (rule, Rule { words, .. }) in rules.enumerate() {
            for word in words.iter().map(|word| word.as_bytes()) {
                let beginning = &word[..word.len().min(BEGINNING)];
                let entries = by_beginning.entry(beginning).or_default();
                entries.push(WordEntry { word, rule });
            }
        }
        let beginnings = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(by_beginning.keys());
        Some(Self {
            beginnings: beginnings.ok()?,
            entries: by_beginning.into_values().collect(),
        })
    }

    /// Each word that the text holds, with the place of its rule among all.
    pub(super) fn words(&self, text: &[u8]) -> impl Iterator<Item = FoundWord> {
        self.beginnings
            .find_overlapping_iter(text)
            .flat_map(move |found| {
                let rest = &text[found.start()..];
                let entries = self.entries[found.pattern().as_usize()].iter();
                entries.filter_map(move |WordEntry { word, rule }| {
                    let same = rest.get(..word.len())?.eq_ignore_ascii_case(word);
                    same.then_some(FoundWord {
                        start: found.start(),
                        end: found.start() + word.len(),
                        rule: *rule,
                    })
                })
            })
    }
}
