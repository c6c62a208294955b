//! Secrets that a name before them reveals: `DB_PASS=...`, `"token": {"value": ...}`, `--api-key ...`, `<password>...`.
//!
//! [`name`] reads the name by its words, [`sites`] finds the values that belong to it in whatever a text is written,
//! [`value`] takes each of them whole, and [`judge`] says whether it is a secret, by [`chance`] and by its length.

mod chance;
mod cursor;
mod judge;
mod line_words;
mod name;
mod pairs;
mod reading;
mod references;
mod sites;
mod value;
mod words;

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

pub(super) use chance::Chance;
pub(super) use judge::is_secret;
pub(super) use name::{Strength, member_strength, strength};
pub(super) use pairs::{is_namer, is_value_name};
pub(super) use value::Style;

use super::secret_match::SecretMatch;
use sites::Site;

/// What marks and metrics call a value in quotes.
const QUOTED: &str = "quoted-secret";
/// A password that is assigned without quotes.
const PASSWORD: &str = "assigned-password";
/// Any other value.
const ASSIGNED: &str = "assigned-secret";

/// All names that such secrets are counted by.
pub(super) const NAMES: [&str; 3] = [QUOTED, PASSWORD, ASSIGNED];

/// A text with such a secret holds one of them, in upper or lower case. Words that many texts hold (`key`, `pass`) are here
/// with what joins them to a value or to another word.
pub(super) const WORDS: &[&str] = &[
    "passw",
    "passp",
    "passc",
    "passk",
    "pass=",
    "pass:",
    "pass\"",
    "pass'",
    "pass\\",
    "pass_",
    "pass =",
    "pass :",
    "pass>",
    "pass(",
    "pass-",
    "-pass ",
    "_pass",
    "pass]",
    "pass`",
    "pass1",
    "pass2",
    "pswd",
    "psw=",
    "psw:",
    "psw\"",
    "pwd",
    "psk",
    "senha",
    "kennwort",
    "contrasena",
    "mdp=",
    "mdp:",
    "mdp\"",
    "pw=",
    "pw:",
    "pw\"",
    "pw'",
    "pw =",
    "pw_",
    "_pw",
    "pw>",
    "masterauth",
    "secret",
    "token",
    "credential",
    "cred=",
    "cred:",
    "cred\"",
    "cred'",
    "creds",
    "cred =",
    "key=",
    "key:",
    "key\"",
    "key'",
    "key\\",
    "key_",
    "key =",
    "key :",
    "key>",
    "key-",
    "key is",
    "requirepass",
    "storepass",
    "keypass",
    "auth(",
    "auth-",
    "pass |",
    "key(",
    "key`",
    "key?",
    "key]",
    "key1",
    "key2",
    "-key ",
    "_key ",
    "keyb",
    "keyp",
    "keyv",
    "keys=",
    "keys:",
    "keys\"",
    "keys'",
    "auth=",
    "auth:",
    "auth\"",
    "auth'",
    "auth\\",
    "auth_",
    "auth =",
    "auth :",
    "auth>",
    "authorization",
    "jwt",
    "salt",
    "bearer=",
    "bearer:",
    "bearer\"",
    // In an encoded message the next field begins right behind a name.
    "key\u{12}",
    "key\n",
    "pass\u{12}",
    "pass\n",
    "auth\u{12}",
    "auth\n",
    "cred\u{12}",
    "pw\u{12}",
    "pw\n",
    "keys\u{12}",
];

static INDEX: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(WORDS);
    // They are few and short: it builds, and tests see secrets found by it.
    words.ok()
});

/// All such secrets of a text, in its order.
pub(super) fn find(text: &str) -> Vec<SecretMatch> {
    let mut found = Vec::new();
    let Some(index) = INDEX.as_ref() else {
        return found;
    };
    let mut looked_to = 0;
    for word in index.find_iter(text) {
        if word.start() < looked_to {
            continue;
        }
        let site = Site::around(text, word.start());
        looked_to = site.name.end;
        let Some(strength) = site.strength() else {
            continue;
        };
        for value in site.values(strength) {
            let rule = match value.style {
                Style::Quoted | Style::Argument => QUOTED,
                Style::Line | Style::Tight if strength == Strength::Password => PASSWORD,
                _ => ASSIGNED,
            };
            looked_to = looked_to.max(value.range.end);
            let start = site.name.start.min(value.range.start);
            found.push(SecretMatch {
                whole: start..value.range.end,
                secret: value.range,
                rule,
            });
        }
    }
    found.sort_by_key(|secret| secret.secret.start);
    let mut end = 0;
    found.retain(|secret| {
        let is_first = secret.secret.start >= end;
        end = end.max(secret.secret.end);
        is_first
    });
    found
}
