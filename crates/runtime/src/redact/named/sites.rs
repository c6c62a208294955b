//! Where the value of a name stands: behind a sign, in brackets, between tags, as the next word.

use std::ops::Range;

use super::cursor::{byte, is_name_byte, line_start, quote, skip_blanks};
use super::name::{Strength, strength};
use super::pairs;
use super::value::{Found, Style};

/// A name and what surrounds it.
pub(super) struct Site<'a> {
    pub(super) text: &'a str,
    pub(super) name: Range<usize>,
    /// The line up to the name.
    pub(super) line: Range<usize>,
}

/// What joins a name to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// `=`, `:`, `=>` and their kin. Whether it is a colon; whether blanks stand before it.
    Sign {
        is_colon: bool,
        is_spaced: bool,
    },
    Comma,
    Bracket,
    /// `variable "db_password" { default = ... }`.
    Brace,
    Tag,
    Blank,
}

impl<'a> Site<'a> {
    pub(super) fn around(text: &'a str, at: usize) -> Self {
        const MAX_LINE: usize = 160;
        let name = name_around(text.as_bytes(), at);
        let start = line_start(text.as_bytes(), name.start, MAX_LINE);
        Self {
            text,
            line: start..name.start,
            name,
        }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// How sure the name is; `None` if it names no secret or stands in a mark.
    pub(super) fn strength(&self) -> Option<Strength> {
        let before = &self.bytes()[..self.name.start];
        if before.ends_with(b"[redacted:") {
            return None;
        }
        // It may be cut in the middle of a longer one, but not of a letter: it is ASCII.
        let name = self.text.get(self.name.clone())?;
        let alone = strength(name);
        if alone.is_some_and(|found| found >= Strength::Strong) || name.contains(['_', '.', '-']) {
            return alone;
        }
        // `Secret Access Key: ...`
        let start = self.words_before();
        let with_words = self.text.get(start..self.name.end).and_then(strength);
        with_words.or(alone)
    }

    /// Where up to two words begin that stand before the name, with one blank between.
    fn words_before(&self) -> usize {
        let bytes = self.bytes();
        let mut start = self.name.start;
        for _ in 0..2 {
            let mut at = start;
            if at == 0 || bytes[at - 1] != b' ' {
                break;
            }
            at -= 1;
            let end = at;
            while at > 0 && end - at < 20 && bytes[at - 1].is_ascii_alphabetic() {
                at -= 1;
            }
            if at == end {
                break;
            }
            start = at;
        }
        start
    }

    /// The secrets among the values of this name.
    pub(super) fn values(&self, strength: Strength) -> Vec<Found> {
        let mut found = Vec::new();
        let (joint, at, is_quoted) = self.joint();
        match joint {
            Some(Joint::Sign {
                is_colon,
                is_spaced,
            }) => {
                self.behind_sign(strength, at, is_colon, is_spaced, is_quoted, &mut found);
            }
            Some(Joint::Comma) if is_quoted => self.argument(strength, at, &mut found),
            // `[--token, ...]`.
            Some(Joint::Comma) if byte(self.bytes(), self.name.start) == b'-' => {
                self.item(strength, at, &mut found);
            }
            Some(Joint::Bracket) if !is_quoted => self.argument(strength, at, &mut found),
            Some(Joint::Brace) => self.value(strength, at, Style::Spaced, &mut found),
            Some(Joint::Tag) => self.tagged(strength, at, &mut found),
            Some(Joint::Blank) if !is_quoted => self.next_word(strength, at, &mut found),
            _ => {}
        }
        if found.is_empty()
            && let Some(at) = pairs::value_of(self.bytes(), &self.name)
        {
            self.value(strength, at, Style::Spaced, &mut found);
        }
        found
    }

    /// What follows the name, where it ends, and whether the name is in quotes.
    fn joint(&self) -> (Option<Joint>, usize, bool) {
        let bytes = self.bytes();
        let closing = quote(bytes, self.name.end);
        let mut at = closing.map_or(self.name.end, |closing| closing.start);
        while matches!(byte(bytes, at), b']' | b'?' | b'!')
            || (byte(bytes, at) == b')' && closing.is_some())
        {
            at += 1;
        }
        let behind = skip_blanks(bytes, at);
        let behind = sign_on_own_line(bytes, behind).unwrap_or(behind);
        let rest = bytes.get(behind..).unwrap_or_default();
        let (is_spaced, is_quoted) = (behind > at, closing.is_some());
        if let Some(len) = default_len(rest, is_spaced) {
            return (Some(Joint::Comma), behind + len, true);
        }
        let (joint, len) = match sign(rest, is_spaced) {
            Some((joint, len)) => (Some(joint), len),
            None => match rest {
                [b',', ..] => (Some(Joint::Comma), 1),
                [b'(', ..] => (Some(Joint::Bracket), 1),
                [b'{', ..] if is_quoted => (Some(Joint::Brace), 0),
                [b'>', ..] => (Some(Joint::Tag), 1),
                [b'<', b'/', ..] => (Some(Joint::Tag), 0),
                // A cell of a table.
                [b'|', b' ', ..] if is_spaced && !is_quoted => (Some(Joint::Blank), 2),
                [b':' | b'=', ..] => (None, 0),
                _ => (is_spaced.then_some(Joint::Blank), 0),
            },
        };
        (joint, behind + len, is_quoted)
    }
}

/// Where a sign stands that has the next line for itself.
fn sign_on_own_line(bytes: &[u8], at: usize) -> Option<usize> {
    const MAX_GAP: usize = 80;
    // Hardly any name ends its line.
    let rest = bytes
        .get(at..)
        .filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))?;
    let gap = rest.iter().take(MAX_GAP);
    let gap = gap.take_while(|b| b.is_ascii_whitespace()).count();
    let is_alone = matches!(byte(bytes, skip_blanks(bytes, at + gap + 1)), b'\n' | b'\r');
    let is_sign = matches!(byte(bytes, at + gap), b'=' | b':');
    (is_sign && is_alone && rest[..gap].contains(&b'\n')).then_some(at + gap)
}

/// The length of what comes before a default, or before what a program compares with.
fn default_len(rest: &[u8], is_spaced: bool) -> Option<usize> {
    match rest {
        [b'|', b'|', b'=', ..] | [b'?', b'?', b'=', ..] => None,
        [b'|', b'|', ..] | [b'?', b'?', ..] | [b'o', b'r', b' ', ..] if is_spaced => Some(2),
        [b'=' | b'!', b'=', ..] => Some(
            rest.iter()
                .take(3)
                .take_while(|b| matches!(b, b'=' | b'!'))
                .count(),
        ),
        _ => None,
    }
}

/// The sign that sets a value, and its length.
fn sign(rest: &[u8], is_spaced: bool) -> Option<(Joint, usize)> {
    let is_colon =
        matches!(rest, [b':', next, ..] if !matches!(next, b'=' | b'-' | b'+')) || rest == b":";
    let len = match rest {
        [b':', b':', ..] | [b':', b'/', b'/', ..] | [b'=', b'~', ..] => return None,
        [b'|', b'|', b'=', ..] | [b'?', b'?', b'=', ..] => 3,
        [b'<', b'-', ..]
        | [b'?' | b'+' | b':', b'=', ..]
        | [b'=', b'>', ..]
        | [b':', b'-' | b'+', ..] => 2,
        [b'=' | b':', ..] => 1,
        _ => return None,
    };
    let is_spaced = is_spaced || rest.starts_with(b"<-");
    Some((
        Joint::Sign {
            is_colon,
            is_spaced,
        },
        len,
    ))
}

/// Names longer than this are read by their ends.
const MAX_NAME: usize = 80;

/// The name that holds this place.
fn name_around(text: &[u8], at: usize) -> Range<usize> {
    let is_part = |byte: u8| is_name_byte(byte) || byte == b'.';
    let mut start = at;
    while start > 0 && at - start < MAX_NAME && is_part(text[start - 1]) {
        start -= 1;
    }
    // The letter of an escaped line end is no part of it.
    if start > 0
        && text[start - 1] == b'\\'
        && start < at
        && matches!(text[start], b'n' | b'r' | b't')
    {
        start += 1;
    }
    let mut end = at;
    while end < text.len() && end - at < MAX_NAME && is_part(text[end]) {
        end += 1;
    }
    while end > at && matches!(text[end - 1], b'.' | b'-') {
        end -= 1;
    }
    start..end
}
