//! One kind of secret: the words that hint at it, its pattern, and what a pattern cannot say.

use std::sync::OnceLock;

use regex::Regex;

use crate::redact::marks::{count, is_mark, mark};
use crate::redact::secret_match::SecretMatch;

/// The name that all rules of the vendors' set are counted by: the set has hundreds and grows. The mark in the text names
/// the rule.
pub(crate) const VENDOR: &str = "vendor-key";

/// A match that is no secret is searched again if it is no longer than this, so that the time stays in proportion to the
/// text.
const MAX_SECOND_LOOK: usize = 256;

/// One kind of secret.
pub(crate) struct Rule {
    pub(super) name: &'static str,
    counted_as: &'static str,
    /// A secret of this kind holds at least one of them, in upper or lower case; here in lower case.
    pub(super) words: &'static [&'static str],
    pub(super) pattern: &'static str,
    /// What a pattern cannot say about the secret.
    pub(super) accepts: fn(&str) -> bool,
    /// What finds secrets in the pattern's stead.
    finder: Option<Finder>,
    compiled: OnceLock<Option<Regex>>,
}

/// Finds secrets that no pattern describes, in their order.
pub(super) type Finder = fn(&str) -> Vec<SecretMatch>;

impl Rule {
    pub(super) const fn new(
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
            finder: None,
            compiled: OnceLock::new(),
        }
    }

    /// Each secret it finds says by which rule.
    pub(super) const fn found_by(
        name: &'static str,
        words: &'static [&'static str],
        finder: Finder,
    ) -> Self {
        let mut rule = Self::new(name, words, "", |_| true);
        rule.finder = Some(finder);
        rule
    }

    pub(super) const fn of_vendor(
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

    /// The text without its secrets of this kind; `None` if it has none.
    pub(crate) fn apply(&self, text: &str) -> Option<String> {
        let mut clean = String::new();
        let mut kept_to = 0;
        for SecretMatch { secret, rule, .. } in self.find(text) {
            clean.push_str(&text[kept_to..secret.start]);
            clean.push_str(&mark(rule));
            kept_to = secret.end;
            let is_own = self.finder.is_none();
            count(if is_own { self.counted_as } else { rule });
        }
        (kept_to > 0).then(|| clean + &text[kept_to..])
    }

    /// The secrets of this kind that were not taken out before.
    pub(super) fn find(&self, text: &str) -> Vec<SecretMatch> {
        match self.finder {
            Some(find) => find(text),
            None => self.find_pattern(text).collect(),
        }
    }

    fn find_pattern<'a>(&'a self, text: &'a str) -> impl Iterator<Item = SecretMatch> + 'a {
        // A test compiles every pattern.
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
                    return Some(SecretMatch {
                        whole,
                        secret,
                        rule: self.name,
                    });
                }
                // A match that is no secret may hold one: `token: /path?token=...`.
                if secret.start > whole.start && secret.len() <= MAX_SECOND_LOOK {
                    from = secret.start;
                }
            }
        })
    }
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
