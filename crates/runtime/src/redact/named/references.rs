//! Values that stand for something else: a variable, a template, a file, a version.

use super::chance::Chance;
use super::words::PLACEHOLDERS;

/// Beginnings of what stands for a secret that is elsewhere, in lower case; of hashes that all may see, too.
const BEGINNINGS: &str = "{{ ${ %{ <% $( !vault !ref !sub !secret !env enc[ env: env( vault: op:// ref+ arn: projects/ secret:// aws: \
     file: http:// https:// secretsmanager: ssm: keyring: sha256: sha1: sha256- sha384- sha512- sha512: md5:";

/// Pairs that templates put around a name.
const WRAPS: [(&str, &str); 8] = [
    ("{", "}"),
    ("<", ">"),
    ("%", "%"),
    ("[", "]"),
    ("__", "__"),
    ("@", "@"),
    ("%(", "s"),
    ("((", "))"),
];

/// What stands for a secret that is elsewhere: variables, templates, stores of secrets.
pub(super) fn is_reference(value: &str) -> bool {
    if let Some(rest) = value.strip_prefix('$') {
        let is_hash = rest.len() > 20 && rest.chars().skip(1).any(|c| c == '$');
        let is_variable = is_name(rest) && !is_hash && !Chance::of(rest).is_random();
        return rest.starts_with(['{', '(', '[', '$', '\'', '"']) || is_variable;
    }
    let is_wrapped = |(start, end): &(&str, &str)| {
        value.len() >= start.len() + end.len() && value.starts_with(start) && value.ends_with(end)
    };
    let starts = |beginning: &str| {
        let start = value.get(..beginning.len());
        start.is_some_and(|it| it.eq_ignore_ascii_case(beginning))
    };
    if WRAPS.iter().any(is_wrapped) || BEGINNINGS.split_ascii_whitespace().any(starts) {
        return true;
    }
    if is_color(value) {
        return true;
    }
    let first = value.chars().next().unwrap_or_default();
    let rest = &value[first.len_utf8().min(value.len())..];
    matches!(first, ':' | '@' | '%' | '&' | '*' | '!')
        && is_name(rest)
        && !Chance::of(rest).has_letters_and_digits()
}

/// A part of something in a program, `parts['password']`, as far as it was read. `next` is the byte behind it.
pub(super) fn is_subscript(value: &str, next: u8) -> bool {
    let is_path = |base: &str| {
        base.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && base
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
            && !Chance::of(base).is_random()
    };
    match value.split_once('[') {
        None => next == b'[' && is_path(value),
        Some((base, "")) => matches!(next, b'"' | b'\'' | b'\\') && is_path(base),
        Some((base, index)) => {
            let index = index.split(']').next().unwrap_or_default();
            is_path(base) && (is_path(index) || index.bytes().all(|b| b.is_ascii_digit()))
        }
    }
}

/// `#0f172aff`.
fn is_color(value: &str) -> bool {
    let digits = value.strip_prefix('#');
    digits.is_some_and(|it| {
        matches!(it.len(), 3 | 4 | 6 | 8) && it.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

fn is_name(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
    !text.is_empty() && text.bytes().all(is_part)
}

/// What documents and examples write where a secret will be.
pub(super) fn is_template(value: &str) -> bool {
    let is_filler = |c: char| {
        matches!(
            c,
            '*' | '.' | 'x' | 'X' | '…' | '-' | '_' | '#' | '•' | '?' | ' ' | '0' | '●'
        )
    };
    if value.chars().all(is_filler) {
        return true;
    }
    let mut words = value
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    value.len() <= 80 && words.any(|word| word.len() > 2 && PLACEHOLDERS.has(word))
}

/// Paths, file names, addresses.
pub(super) fn is_about_files(value: &str, chance: Chance) -> bool {
    const ENDINGS: [&str; 20] = [
        "pem", "key", "json", "txt", "yaml", "yml", "toml", "rs", "ts", "js", "py", "go", "java",
        "rb", "php", "html", "tsx", "md", "env", "crt",
    ];
    if chance.is_random() && !value.starts_with(['/', '.', '~']) {
        return false;
    }
    if value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("~/")
        || value.contains("://")
        || value.contains("::")
    {
        return true;
    }
    let has_segments = value.bytes().filter(|b| *b == b'/').count() > 0;
    if value.starts_with('/') || (has_segments && !value.contains(['@', '!', '#', '+', '=', ' '])) {
        return !chance.is_random() || value.bytes().filter(|b| *b == b'/').count() > 3;
    }
    let ending = value.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && !chance.is_random()
}

/// As package managers write it.
pub(super) fn is_version(value: &str) -> bool {
    let number = value.trim_start_matches(['^', '~', '>', '<', '=', 'v', ' ']);
    let (major, rest) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b'x' || b == b'*')
    };
    let mut parts = rest.split(['.', '-', '+']);
    let is_ranged = number.len() < value.len() && !rest.is_empty();
    is_number(major)
        && major.len() <= 4
        && !rest.is_empty()
        && value.contains('.')
        && (parts.next().is_some_and(is_number) || is_ranged)
}
