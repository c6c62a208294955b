//! What cookies hold: each pair of a header is looked at.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::redact::named::{Strength, Style, is_secret};
use crate::redact::secret_match::SecretMatch;

pub(super) const RULE: &str = "cookie";

pub(super) const WORDS: &[&str] = &[
    "cookie:", "cookie\"", "cookie'", "cookie=", "cookie :", "cookie =",
];

/// The pairs of longer headers are not looked at.
const MAX_HEADER: usize = 8 * 1024;

static INDEX: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(WORDS);
    // They are few and short: it builds, and a test sees secrets found by it.
    words.ok()
});

/// The values of cookies that look like chance, in the order of the text.
pub(super) fn find(text: &str) -> Vec<SecretMatch> {
    let mut found: Vec<SecretMatch> = Vec::new();
    let Some(index) = INDEX.as_ref() else {
        return found;
    };
    let mut looked_to = 0;
    for word in index.find_iter(text) {
        if word.start() >= looked_to {
            let pairs = header(text, word.start() + "cookie".len());
            looked_to = pairs.end;
            find_pairs(text, word.start(), pairs, &mut found);
        }
    }
    found
}

/// The pairs of the header whose name ends here.
fn header(text: &str, name_end: usize) -> Range<usize> {
    let is_sign = |c: char| matches!(c, ':' | '=' | '"' | '\'' | ' ' | '\\' | ',');
    let behind = &text[name_end..];
    let start = name_end + behind.len() - behind.trim_start_matches(is_sign).len();
    let end = text.floor_char_boundary(text.len().min(start + MAX_HEADER));
    let rest = &text[start..end];
    let line = rest.split(['\n', '\r', '"', '\'', '\\']).next();
    start..start + line.unwrap_or_default().len()
}

fn find_pairs(text: &str, name: usize, pairs: Range<usize>, found: &mut Vec<SecretMatch>) {
    let mut at = pairs.start;
    for pair in text[pairs].split(';') {
        if let Some((_, value)) = pair.split_once('=') {
            let secret = at + pair.len() - value.len()..at + pair.trim_end().len();
            if text.get(secret.clone()).is_some_and(is_session) {
                found.push(SecretMatch {
                    whole: name..secret.end,
                    secret,
                    rule: RULE,
                });
            }
        }
        at += pair.len() + 1;
    }
}

fn is_session(value: &str) -> bool {
    is_secret(value, Strength::Likely, Style::Quoted, b';')
}
