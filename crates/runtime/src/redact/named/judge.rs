//! Whether the value of a name is a secret: neither a reference, nor a word of a program, a form or a sentence.

use super::chance::Chance;
use super::name::Strength;
use super::references::{is_about_files, is_reference, is_subscript, is_template, is_version};
use super::value::Style;
use super::words::{ORDINARY, PASSWORDS, SENTENCE};

/// Whether the value is a secret, given how sure its name is. `next` is the byte behind it.
pub(in crate::redact) fn is_secret(
    value: &str,
    strength: Strength,
    style: Style,
    next: u8,
) -> bool {
    let value = value.trim();
    if value.is_empty() || is_reference(value) || is_template(value) {
        return false;
    }
    let chance = Chance::of(value);
    if is_about_files(value, chance) || is_version(value) {
        return false;
    }
    let is_code = matches!(
        style,
        Style::Line | Style::Tight | Style::Spaced | Style::Word
    );
    if is_code && is_subscript(value, next) {
        return false;
    }
    if style == Style::Prose && strength < Strength::Password && is_short_hash(value) {
        return false;
    }
    match strength {
        Strength::Faint => is_long_chance(value, chance),
        Strength::Likely => is_chance(value, chance, style),
        Strength::Strong | Strength::Password => is_set(value, chance, strength, style, next),
    }
}

/// Whether the value under a sure name is set, given how it is written.
fn is_set(value: &str, chance: Chance, strength: Strength, style: Style, next: u8) -> bool {
    match style {
        Style::Quoted | Style::Tagged => is_set_text(value, chance, strength),
        Style::Line | Style::Tight => is_set_word(value, chance, strength, style, next),
        Style::Word => is_argument(value, chance, strength, next),
        Style::Argument => is_set_text(value, chance, strength) && is_no_word(value, chance, 6),
        Style::Spaced => is_spaced(value, chance, strength, next),
        Style::Prose => {
            is_set_text(value, chance, strength)
                && is_no_word(value, chance, 6)
                && chance.letters() > 0
        }
    }
}

/// Long and random, as no word, no id and no hash is.
fn is_long_chance(value: &str, chance: Chance) -> bool {
    const LONG: usize = 16;
    let is_plain = value.bytes().all(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'/' | b'=' | b':' | b'.')
    });
    let mixes = value.bytes().any(|b| b.is_ascii_uppercase())
        && value.bytes().any(|b| b.is_ascii_lowercase());
    let is_hash = value.bytes().all(|b| b.is_ascii_hexdigit());
    let dots = value.bytes().filter(|b| matches!(b, b'.' | b'/')).count();
    is_plain
        && chance.is_random()
        && chance.has_letters_and_digits()
        && value.len() >= LONG
        && !is_uuid(value)
        && dots < 3
        && (mixes || (is_hash && value.len() == 32) || (!is_hash && chance.noise() >= LONG))
}

/// The beginning of a hash, as people name commits and ids in a sentence.
fn is_short_hash(value: &str) -> bool {
    value.len() < 16 && value.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Five groups of hexadecimal digits.
fn is_uuid(value: &str) -> bool {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let groups = value.split('-').map(str::len);
    groups.eq(GROUPS) && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Random, whatever its form.
fn is_chance(value: &str, chance: Chance, style: Style) -> bool {
    let is_said_in_quotes = matches!(style, Style::Quoted | Style::Argument | Style::Tagged);
    let has_form = chance.is_random()
        && (chance.has_letters_and_digits()
            || (is_said_in_quotes && value.len() >= 12 && !value.contains(' ')));
    let is_code = !is_said_in_quotes && value.starts_with(['/', '.', '~', '$', '%', '*', '#', '@']);
    let is_basic = value.len() >= 8
        && value.ends_with('=')
        && chance.noise() > 0
        && !value.starts_with(['-', '&', '?'])
        && !value.contains(' ');
    (has_form || is_basic) && !is_code && !is_sentence(value)
}

/// A text under a sure name: a passphrase, but no message, no key of a translation, no word of a schema.
fn is_set_text(value: &str, chance: Chance, strength: Strength) -> bool {
    const MIN: usize = 3;
    if chance.is_random() && !is_sentence(value) {
        return true;
    }
    if chance.is_number() && chance.letters() == 0 && value.bytes().all(|b| b.is_ascii_digit()) {
        return strength == Strength::Password && value.len() >= 4;
    }
    let is_title = value.chars().next().is_some_and(char::is_uppercase)
        && value.chars().skip(1).all(char::is_lowercase);
    let is_text_of_others =
        value.chars().all(|c| c.is_alphabetic() || c == ' ') && !value.is_ascii();
    value.len() >= MIN
        && !is_sentence(value)
        && !is_title
        && !is_text_of_others
        && !is_name(value, chance)
}

/// A name or ordinary words, as programs and forms have.
fn is_name(value: &str, chance: Chance) -> bool {
    if ORDINARY.has(value) {
        return true;
    }
    if !value.bytes().all(is_of_names) {
        return false;
    }
    let (mut count, mut ordinary, mut cores) = (0, 0, 0);
    for word in split_words(value) {
        count += 1;
        ordinary += usize::from(ORDINARY.has(word));
        cores += usize::from(is_core(word));
    }
    let is_all_ordinary = ordinary == count && (chance.digits() == 0 || value.contains('|'));
    let is_of_core = cores > 0 && count > 1 && chance.digits() == 0;
    count == 0 || is_constant(value) || is_all_ordinary || is_of_core
}

/// A byte of names, of lists of them, and of what joins them.
fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:/ []()?|,".contains(&byte)
}

/// A word that means a secret itself.
fn is_core(word: &str) -> bool {
    const CORES: [&str; 5] = ["token", "secret", "key", "credential", "credentials"];
    PASSWORDS.has(word) || CORES.iter().any(|it| it.eq_ignore_ascii_case(word))
}

/// `SOME_NAME`, `some.name`: no digits, and joined words.
fn is_constant(value: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'.' | b'_' | b':');
    value.contains(['.', '_', ':']) && value.bytes().all(is_part)
}

/// Words however they are joined.
fn split_words(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let run = super::chance::run_len(rest.as_bytes());
            let (word, behind) = rest
                .split_at_checked(run)
                .filter(|(word, _)| !word.is_empty())?;
            rest = behind;
            if word.as_bytes()[0].is_ascii_alphabetic() {
                return Some(word);
            }
        }
    })
}

/// A message to people.
fn is_sentence(value: &str) -> bool {
    if !value.contains(' ') {
        return false;
    }
    let starts_as_title = value.chars().next().is_some_and(char::is_uppercase);
    let mut words = value
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let is_letters = value.chars().all(|c| {
        c.is_alphabetic()
            || c.is_whitespace()
            || matches!(
                c,
                '.' | ',' | '!' | '?' | ':' | '\'' | '(' | ')' | '…' | '-'
            )
    });
    (starts_as_title && is_letters) || words.any(|word| SENTENCE.has(word))
}

/// Not only letters and separators: a digit, a sign that passwords have, or chance.
fn is_no_word(value: &str, chance: Chance, min: usize) -> bool {
    let has_sign = value.contains(['!', '@', '#', '$', '%', '^', '&', '*', '+', '=', '?']);
    value.len() >= min
        && !value.contains(' ')
        && !is_numbered_word(value)
        && (chance.has_letters_and_digits()
            || (has_sign && chance.letters() > 2)
            || chance.is_random())
}

/// A word of programs with a number: `password1`, `sha256`, `arg2`.
fn is_numbered_word(value: &str) -> bool {
    let word = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_short = value.len() - word.len() <= 3 && word.len() < 5;
    ORDINARY.has(value)
        || (word.len() < value.len()
            && (ORDINARY.has(word) || PASSWORDS.has(word) || is_short)
            && value.len() - word.len() <= 3)
}

/// On a line or in a list of pairs: all that is set, but no part of a program.
fn is_set_word(value: &str, chance: Chance, strength: Strength, style: Style, next: u8) -> bool {
    const MIN: usize = 4;
    if value.len() < MIN || next == b'(' || (next == b'[' && chance.is_letters()) {
        return false;
    }
    if chance.is_number() {
        return strength == Strength::Password && (style == Style::Line || chance.digits() >= 6);
    }
    let is_among_code = style == Style::Tight && matches!(next, b')' | b',' | b'}' | b']' | b'.');
    if is_among_code && !is_no_word(value, chance, 6) {
        return false;
    }
    if strength == Strength::Strong && style == Style::Tight && !is_no_word(value, chance, 6) {
        return false;
    }
    is_set_text(value, chance, strength) && !value.starts_with(['/', '~', '@'])
}

/// With a gap before it: a value of a file, or a part of a program.
fn is_spaced(value: &str, chance: Chance, strength: Strength, next: u8) -> bool {
    const MIN: usize = 6;
    if value.len() < MIN
        || matches!(next, b'(' | b'[')
        || value.starts_with(['/', '~', '@', '&', '!', '*', '-', '+'])
    {
        return false;
    }
    let ends = matches!(
        next,
        0 | b'\n' | b'\r' | b'\\' | b'"' | b'\'' | b' ' | b'\t' | b'#'
    );
    if !ends {
        return is_no_word(value, chance, MIN)
            && (chance.is_random() || value.contains(['!', '#', '$', '%', '^']));
    }
    if chance.is_number() {
        return strength == Strength::Password && chance.digits() >= MIN;
    }
    is_no_word(value, chance, MIN) && is_set_text(value, chance, strength)
}

/// A word behind a flag: a word of letters alone is one of a sentence unless a command ends with it.
fn is_argument(value: &str, chance: Chance, strength: Strength, next: u8) -> bool {
    const MIN: usize = 3;
    if value.len() < MIN || value.starts_with('-') {
        return false;
    }
    if chance.is_number() {
        return strength == Strength::Password && value.len() >= 4;
    }
    let may_be_word = strength == Strength::Password && matches!(next, 0 | b'\n');
    is_set_text(value, chance, strength)
        && (may_be_word || is_no_word(value, chance, 5) || chance.is_random())
}
