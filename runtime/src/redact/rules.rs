//! What a secret looks like: one line for each kind, after what the providers document of their own credentials and
//! the rules that secret scanners (gitleaks, trufflehog, GitHub's secret scanning) publish.
//!
//! A rule is asked only about texts that hold one of its words; all words are looked for in one pass. A pattern's first
//! group is the secret, what is around it stays readable.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;

mod table;

use table::RULES;

/// One kind of secret.
pub(super) struct Rule {
    name: &'static str,
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
            words,
            pattern,
            accepts,
            compiled: OnceLock::new(),
        }
    }

    /// The text without secrets of this kind; `None` if it has none.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        // Every pattern compiles: a test sees to it.
        let pattern = self.compiled.get_or_init(|| Regex::new(self.pattern).ok());
        let mut clean = String::new();
        let mut kept_to = 0;
        for found in pattern.as_ref()?.captures_iter(text) {
            let Some(secret) = found.iter().skip(1).flatten().next() else {
                continue;
            };
            if is_mark(secret.as_str()) || !(self.accepts)(secret.as_str()) {
                continue;
            }
            clean.push_str(&text[kept_to..secret.start()]);
            clean.push_str(&mark(self.name));
            kept_to = secret.end();
            count(self.name);
        }
        (kept_to > 0).then(|| clean + &text[kept_to..])
    }
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
    metrics::counter!("shim_redactions_total", "rule" => rule).increment(1);
}

/// The words of all rules, and whose they are.
struct Words {
    all: AhoCorasick,
    rules: Vec<usize>,
}

static WORDS: LazyLock<Option<Words>> = LazyLock::new(|| {
    let owned = RULES
        .iter()
        .enumerate()
        .flat_map(|(rule, Rule { words, .. })| words.iter().map(move |word| (rule, *word)));
    let (rules, words): (Vec<_>, Vec<_>) = owned.unzip();
    let all = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(words);
    Some(Words {
        all: all.ok()?,
        rules,
    })
});

/// Whether any rule has a say about these bytes, which may be an encoded message.
pub(super) fn is_suspect(bytes: &[u8]) -> bool {
    WORDS
        .as_ref()
        .is_some_and(|words| words.all.is_match(bytes))
}

/// The rules with a say about a text, in their order.
pub(super) fn suspected(bytes: &[u8]) -> impl Iterator<Item = &'static Rule> + use<> {
    let mut suspected = [false; RULES.len()];
    if let Some(words) = WORDS.as_ref() {
        for found in words.all.find_overlapping_iter(bytes) {
            suspected[words.rules[found.pattern().as_usize()]] = true;
        }
    }
    RULES
        .iter()
        .zip(suspected)
        .filter_map(|(rule, is_suspected)| is_suspected.then_some(rule))
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name)
}
