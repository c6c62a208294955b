//! Brackets in patterns: classes, and the names of frameworks that could be none.

use super::char_class::CharClass;
use super::glob_parts::{ESCAPABLE, GlobToken};
use super::pattern_error::PatternError;

/// The character behind a `\`.
pub(super) fn escaped(chars: &mut std::str::Chars<'_>) -> Result<char, PatternError> {
    match chars.next() {
        Some(c) if ESCAPABLE.contains(c) => Ok(c),
        Some(c) => Err(PatternError::Escape(c)),
        None => Err(PatternError::LastEscape),
    }
}

/// Reads brackets, from after their `[`: a class with its letters, or the name of a framework that is no class.
pub(super) fn bracket(chars: &mut std::str::Chars<'_>) -> Result<GlobToken, PatternError> {
    let text = chars.as_str();
    let read = match rest_parameter_len(text) {
        0 => class(chars),
        len => return Ok(letters(chars, len)),
    };
    match read {
        Ok(class) => {
            let letters = &text[..text.len() - chars.as_str().len()];
            Ok(GlobToken::Class(class, format!("[{letters}")))
        }
        Err(why) => match words_len(text) {
            len if len > 0 && matches!(why, PatternError::Backwards(..)) => {
                *chars = text.chars();
                Ok(letters(chars, len))
            }
            _ => Err(why),
        },
    }
}

/// Takes `len` bytes as letters, behind a bracket.
fn letters(chars: &mut std::str::Chars<'_>, len: usize) -> GlobToken {
    let (letters, rest) = chars.as_str().split_at(len);
    let letters = format!("[{letters}");
    *chars = rest.chars();
    GlobToken::Letters(letters)
}

/// The length of `...slug]` and `[...slug]]`; 0 for anything else. No class begins with three dots.
fn rest_parameter_len(text: &str) -> usize {
    let (inner, end) = match text.strip_prefix('[') {
        Some(inner) => (inner, "]]"),
        None => (text, "]"),
    };
    if inner.starts_with("...") {
        len_to(text, end)
    } else {
        0
    }
}

/// The length of `user-id]` and `[user-id]]`, words of two letters or more; 0 for anything else.
fn words_len(text: &str) -> usize {
    let (inner, end) = match text.strip_prefix('[') {
        Some(inner) => (inner, "]]"),
        None => (text, "]"),
    };
    let is_word = |word: &str| word.len() > 1 && word.chars().all(char::is_alphanumeric);
    match inner.split_once(end) {
        Some((words, _)) if words.split(['-', '_']).all(is_word) => len_to(text, end),
        _ => 0,
    }
}

/// The bytes up to and with `end`, if it is in the same name.
fn len_to(text: &str, end: &str) -> usize {
    let name = text.split('/').next().unwrap_or_default();
    name.find(end).map_or(0, |at| at + end.len())
}

/// Reads a class, from after its `[` to its `]`. A `]` in the first place means itself, as in POSIX, and so does a `-` in
/// the first or last place.
fn class(chars: &mut std::str::Chars<'_>) -> Result<CharClass, PatternError> {
    let negated = chars.as_str().starts_with(['!', '^']);
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        let first = match chars.next().ok_or(PatternError::OpenClass)? {
            ']' if !ranges.is_empty() => return Ok(CharClass::among(&ranges, negated)),
            c => member(c, chars)?,
        };
        let rest = chars.as_str();
        let last = if rest.starts_with('-') && !rest.starts_with("-]") {
            chars.next();
            let c = chars.next().ok_or(PatternError::OpenClass)?;
            member(c, chars)?
        } else {
            first
        };
        if last < first {
            return Err(PatternError::Backwards(first, last));
        }
        ranges.push((first, last));
    }
}

fn member(c: char, chars: &mut std::str::Chars<'_>) -> Result<char, PatternError> {
    match c {
        '\\' => escaped(chars),
        '/' => Err(PatternError::SlashInClass),
        c => Ok(c),
    }
}
