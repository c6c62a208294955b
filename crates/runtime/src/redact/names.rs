//! Names whose values are secrets whatever they look like: `{"password": "correct horse"}`.

use super::marks;

pub(super) const RULE: &str = "named-field";

/// The endings of such names, in lower case and without separators.
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

/// SHIM's own tokens: they prove an order of events and give no access.
const HARMLESS: [&str; 3] = ["pagetoken", "fencingtoken", "nextpagetoken"];

/// Whether the value of this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending)) && !HARMLESS.contains(&plain.as_str())
}

/// The mark in the place of such a value; `None` if it is empty or a mark already.
pub(super) fn mark(value: &str) -> Option<String> {
    if value.is_empty() || marks::is_mark(value) {
        return None;
    }
    marks::count(RULE);
    Some(marks::mark(RULE))
}
