//! What a secret looks like. What vendors give out as keys and tokens is in [`vendors`], a maintained rule set; what has
//! no vendor or no beginning of its own, and what must be found in looser forms, is in [`table`].
//!
//! A rule is asked only about texts that hold one of its words; all words are looked for in one pass. A pattern's first
//! group is the secret, what is around it stays readable.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;

use index::WordIndex;

mod index;
mod table;
mod vendors;

const COUNTER: &str = "shim_redactions_total";
/// What all rules of the set are counted as: it has hundreds, and gets more. The mark in the text tells them apart.
pub(super) const VENDOR: &str = "vendor-key";

/// A text taken for a secret that is none is looked through again if it is no longer than this, so that looking takes time
/// in proportion to the text.
const MAX_SECOND_LOOK: usize = 256;

/// One kind of secret.
pub(super) struct Rule {
    name: &'static str,
    counted_as: &'static str,
    /// In lower case; a secret of this kind holds at least one of them, in any case.
    words: &'static [&'static str],
    pattern: &'static str,
    /// What a pattern cannot say about the secret.
    accepts: fn(&str) -> bool,
    compiled: OnceLock<Option<Regex>>,
}

impl Rule {
    const fn new(
        name: &'static str,
        words: &'static [&'static str],
        pattern: &'static str,
        accepts: fn(&str) -> bool,
    ) -> Self {
        Self {
            name,
            counted_as: name,
            words,
            pattern,
            accepts,
            compiled: OnceLock::new(),
        }
    }

    const fn of_vendor(
        name: &'static str,
        words: &'static [&'static str],
        pattern: &'static str,
    ) -> Self {
        let accepts = if has_short(words) {
            looks_random_with_digit
        } else {
            looks_random
        };
        let mut rule = Self::new(name, words, pattern, accepts);
        rule.counted_as = VENDOR;
        rule
    }

    /// The text without secrets of this kind; `None` if it has none.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let mut clean = String::new();
        let mut kept_to = 0;
        for SecretMatch { secret, .. } in self.find(text) {
            clean.push_str(&text[kept_to..secret.start]);
            clean.push_str(&mark(self.name));
            kept_to = secret.end;
            count(self.counted_as);
        }
        (kept_to > 0).then(|| clean + &text[kept_to..])
    }

    /// The secrets of this kind that were not taken out before.
    fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = SecretMatch> + 'a {
        // Every pattern compiles: a test sees to it.
        let pattern = self.compiled.get_or_init(|| Regex::new(self.pattern).ok());
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let found = pattern.as_ref()?.captures_at(text, from)?;
                let whole = found.get_match().range();
                from = whole.end;
                let Some(secret) = found.iter().skip(1).flatten().next() else {
                    continue;
                };
                if is_mark(secret.as_str()) {
                    continue;
                }
                let is_secret = (self.accepts)(secret.as_str());
                let secret = secret.range();
                if is_secret {
                    return Some(SecretMatch { whole, secret });
                }
                // What is no secret may hold one: `token: /path?token=...`.
                if secret.start > whole.start && secret.len() <= MAX_SECOND_LOOK {
                    from = secret.start;
                }
            }
        })
    }
}

/// Where a secret is.
struct SecretMatch {
    /// With what shows that it is one.
    whole: Range<usize>,
    secret: Range<usize>,
}

/// What stands for a secret.
pub(super) fn mark(rule: &str) -> String {
    format!("[redacted:{rule}]")
}

/// Whether a secret was here before.
pub(super) fn is_mark(text: &str) -> bool {
    text.starts_with("[redacted:")
}

pub(super) fn count(rule: &'static str) {
    metrics::counter!(COUNTER, "rule" => rule).increment(1);
}

/// Whether a beginning says little by itself, as `tss_`.
const fn has_short(words: &[&str]) -> bool {
    const SHORT: usize = 5;
    let mut at = 0;
    while at < words.len() {
        if words[at].len() <= SHORT {
            return true;
        }
        at += 1;
    }
    false
}

/// A long run of letters and digits as chance makes it: no name of many words has one.
fn looks_random(secret: &str) -> bool {
    long_runs(secret).any(|run| {
        let has = |is: fn(&u8) -> bool| run.bytes().any(|byte| is(&byte));
        let mixes_cases = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        has(u8::is_ascii_digit) || (mixes_cases && !is_of_words(run))
    })
}

/// The same behind a beginning that says little: no name in camel case passes, not even one of short words.
fn looks_random_with_digit(secret: &str) -> bool {
    long_runs(secret).any(|run| run.bytes().any(|byte| byte.is_ascii_digit()))
}

fn long_runs(secret: &str) -> impl Iterator<Item = &str> {
    const LONG: usize = 8;
    let runs = secret.split(|c: char| !c.is_ascii_alphanumeric());
    runs.filter(|run| run.len() >= LONG)
}

/// Whether most letters stand in words, as in `dataProcessingService`; of chance's letters every sixth does.
fn is_of_words(run: &str) -> bool {
    const WORD: usize = 4;
    let words = run.split(|c: char| !c.is_ascii_lowercase());
    let letters: usize = words.map(str::len).filter(|len| *len >= WORD).sum();
    letters * 2 > run.len()
}

const COUNT: usize = vendors::RULES.len() + table::RULES.len();

/// All rules in the order they are applied. Ours are first: the set knows the length of a key, and may end inside one that
/// has become longer.
fn all() -> impl Iterator<Item = &'static Rule> {
    table::RULES.iter().chain(&vendors::RULES)
}

static INDEX: LazyLock<Option<WordIndex>> = LazyLock::new(|| WordIndex::new(all()));

/// Whether any rule has a say about these bytes, which may be an encoded message.
pub(super) fn may_match(bytes: &[u8]) -> bool {
    let index = INDEX.as_ref();
    index.is_some_and(|index| index.rules(bytes).next().is_some())
}

/// The rules with a say about a text, in their order.
pub(super) fn candidates(bytes: &[u8]) -> impl Iterator<Item = &'static Rule> + use<> {
    let mut candidates = [false; COUNT];
    let mut count = 0;
    if let Some(index) = INDEX.as_ref() {
        for rule in index.rules(bytes) {
            candidates[rule] = true;
            count = COUNT;
        }
    }
    // Most texts hold no word of any rule: hundreds of rules are then not looked through.
    all()
        .take(count)
        .zip(candidates)
        .filter_map(|(rule, is_candidate)| is_candidate.then_some(rule))
}

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
pub(super) fn init_series() {
    for name in names() {
        metrics::counter!(COUNTER, "rule" => name).increment(0);
    }
}

/// All that [`count`] may be told.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let ours = table::RULES.iter().map(|rule| rule.name);
    ours.chain([VENDOR, super::names::RULE])
}
