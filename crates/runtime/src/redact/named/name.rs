//! What a name says about its value. A name is split into words, however it joins them (`dbPassword`, `DB_PASSWORD`,
//! `db-password`, `db.password`); the word that means a secret decides, with what stands before and after it.

use super::chance::run_len;
use super::words::{
    ABOUT, ABOUT_OWNERS, KEY_QUALIFIERS, LIKELY, LOOSE_KEY_QUALIFIERS, OTHER_KEYS, OTHER_PASSES,
    OTHER_TOKENS, PASS_QUALIFIERS, PASSWORD_ENDINGS, PASSWORDS, SECRET_QUALIFIERS, TOGETHER,
    TOKEN_QUALIFIERS, TRAILERS,
};

/// How sure a name is. What is less sure is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::redact) enum Strength {
    /// `key`, `stripe_key`: long chance alone is a secret.
    Faint,
    /// `token`, `secret`: chance is a secret.
    Likely,
    /// `client_secret`, `api_key`: all that is no ordinary word is a secret.
    Strong,
    /// `password`: the same, digits alone included.
    Password,
}

impl Strength {
    /// What is left if an unknown word follows the name.
    fn weaker(self) -> Self {
        self.min(Self::Likely)
    }
}

/// More words of a name are not looked at.
const MAX_WORDS: usize = 12;

/// The words of a name, the last one first.
pub(super) fn words_from_end(name: &str) -> ([&str; MAX_WORDS], usize) {
    let mut all = [""; MAX_WORDS];
    let mut count = 0;
    let mut rest = name;
    while !rest.is_empty() {
        let run = run_len(rest.as_bytes());
        let (word, behind) = rest.split_at_checked(run).unwrap_or((rest, ""));
        rest = behind;
        if word.as_bytes()[0].is_ascii_alphabetic() {
            if count == MAX_WORDS {
                all.rotate_left(1);
                count -= 1;
            }
            all[count] = word;
            count += 1;
        }
    }
    all[..count].reverse();
    (all, count)
}

/// How sure the name is that its value is a secret.
pub(in crate::redact) fn strength(name: &str) -> Option<Strength> {
    let (words, count) = words_from_end(name);
    let words = &words[..count];
    let mut is_known = true;
    for (at, word) in words.iter().enumerate() {
        let before = &words[at + 1..];
        let after = &words[..at];
        if let Some(strength) = core(word, before, after) {
            return Some(if is_known {
                strength
            } else {
                strength.weaker()
            });
        }
        // What is said about a secret ends the search.
        if ABOUT.has(word) && !is_secret_id(word, before) {
            return None;
        }
        is_known &= TRAILERS.has(word) || is_secret_id(word, before);
    }
    None
}

/// How sure the name of a secret makes another member of its object, as `bob` is in `passwords: { bob: ... }`.
pub(in crate::redact) fn member_strength(name: &str, outer: Strength) -> Option<Strength> {
    let (words, count) = words_from_end(name);
    let says_another = |word: &&str| ABOUT.has(word) || ABOUT_OWNERS.has(word);
    let is_secret = outer >= Strength::Likely && !words[..count].first().is_some_and(says_another);
    is_secret.then_some(Strength::Likely)
}

/// `secret_id` proves who calls, unlike other ids.
fn is_secret_id(word: &str, before: &[&str]) -> bool {
    word.eq_ignore_ascii_case("id")
        && before
            .first()
            .is_some_and(|it| it.eq_ignore_ascii_case("secret"))
}

/// What one word says, given the ones before it (nearest first) and after it (the last one first).
fn core(word: &str, before: &[&str], after: &[&str]) -> Option<Strength> {
    let previous = before.first().copied().unwrap_or_default();
    let is = |text: &str| word.eq_ignore_ascii_case(text);
    if PASSWORDS.has(word) || TOGETHER.has(word) {
        return Some(if TOGETHER.has(word) {
            Strength::Strong
        } else {
            Strength::Password
        });
    }
    if is("pass") {
        let is_last = after.iter().all(|word| TRAILERS.has(word));
        return (is_last && !PASS_QUALIFIERS.has(previous)).then_some(Strength::Password);
    }
    if is("key") || is("keys") {
        return key(previous, before);
    }
    if is("secret") || is("secrets") {
        let is_own = SECRET_QUALIFIERS.has(previous) && is("secret");
        return Some(if is_own {
            Strength::Strong
        } else {
            Strength::Likely
        });
    }
    if is("token") || is("tokens") {
        return token(previous, is("token"));
    }
    if is("authorization") {
        return Some(Strength::Strong);
    }
    if LIKELY.has(word) {
        // `auth_mode` is about something else; `auth` alone may be one.
        let is_last = after.iter().all(|word| TRAILERS.has(word));
        return is_last.then_some(Strength::Likely);
    }
    ends_as_password(word).then_some(Strength::Password)
}

/// `dbpassword`, `rootpass`, but not `compass`.
fn ends_as_password(word: &str) -> bool {
    let ends = |ending: &str| {
        let start = word.len().checked_sub(ending.len());
        let end = start.and_then(|start| word.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    PASSWORD_ENDINGS.all().any(ends) && !OTHER_PASSES.has(word)
}

fn key(previous: &str, before: &[&str]) -> Option<Strength> {
    let is_secret = before
        .iter()
        .take(2)
        .any(|word| word.eq_ignore_ascii_case("secret"));
    if is_secret || KEY_QUALIFIERS.has(previous) {
        Some(Strength::Strong)
    } else if LOOSE_KEY_QUALIFIERS.has(previous) {
        Some(Strength::Likely)
    } else {
        (!OTHER_KEYS.has(previous)).then_some(Strength::Faint)
    }
}

fn token(previous: &str, is_one: bool) -> Option<Strength> {
    if OTHER_TOKENS.has(previous) {
        None
    } else if is_one && TOKEN_QUALIFIERS.has(previous) {
        Some(Strength::Strong)
    } else {
        Some(Strength::Likely)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_words() {
        let table: [(&[&str], Option<Strength>); 5] = [
            (
                &[
                    "password",
                    "DB_PASS",
                    "dbPassword",
                    "user.passwd",
                    "MYSQL_PWD",
                    "PGPASSWORD",
                    "rootpass",
                    "password2",
                    "smtp-password",
                    "ansible_become_pass",
                    "newPassword",
                    "PASSWORD_PROD",
                    "passphrase",
                    "requirepass",
                ],
                Some(Strength::Password),
            ),
            (
                &[
                    "API_KEY_PROD",
                    "SECRET_KEY_BASE",
                    "apiKey",
                    "clientSecret",
                    "client_secret",
                    "aws_secret_access_key",
                    "X-Api-Key",
                    "accessToken",
                    "_authToken",
                    "apikey",
                    "JWT_SECRET",
                    "APIKey",
                    "access.key",
                ],
                Some(Strength::Strong),
            ),
            (
                &[
                    "token",
                    "SECRET",
                    "credentials",
                    "github_token",
                    "TOKEN_GITHUB",
                    "secret_id",
                    "_auth",
                    "app_key",
                ],
                Some(Strength::Likely),
            ),
            (&["key", "STRIPE_KEY", "maps_key"], Some(Strength::Faint)),
            (
                &[
                    "author",
                    "monkey",
                    "keyword",
                    "bypass",
                    "render_pass",
                    "pass_rate",
                    "password_file",
                    "token_type",
                    "tokenizer",
                    "max_tokens",
                    "page_token",
                    "fencing_token",
                    "secretName",
                    "public_key",
                    "cache_key",
                    "primaryKey",
                    "private_key_path",
                    "access_key_id",
                    "passenger",
                    "tokens_count",
                    "password_length",
                    "secretary",
                    "keyboard",
                    "compass",
                ],
                None,
            ),
        ];
        for (names, expected) in table {
            for name in names {
                assert_eq!(strength(name), expected, "{name}");
            }
        }
    }
}
