//! Names whose values are secrets whatever they look like: `{"password": "correct horse"}`.

use super::rules;

pub(super) const RULE: &str = "named-field";

/// How such names end once they are in lower case and without separators.
const ENDINGS: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "authkey",
    "authorization",
    "credential",
    "credentials",
];

/// SHIM's own tokens, which prove an order of events and open nothing.
const HARMLESS: [&str; 3] = ["pagetoken", "fencingtoken", "nextpagetoken"];

/// Whether what stands under this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending)) && !HARMLESS.contains(&plain.as_str())
}

/// What stands for such a value; `None` if there is nothing to hide.
pub(super) fn mark(value: &str) -> Option<String> {
    if value.is_empty() || rules::is_mark(value) {
        return None;
    }
    rules::count(RULE);
    Some(rules::mark(RULE))
}
