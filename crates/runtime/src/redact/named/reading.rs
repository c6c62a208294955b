//! The values of a name: one, those of a list or of an object, or what stands for one that is not set.

use std::ops::Range;

use super::cursor::{byte, line_end, skip_blanks, skip_gap};
use super::judge::is_secret;
use super::name::Strength;
use super::pairs;
use super::sites::Site;
use super::value::{Found, JUDGED, Style, bare, quoted, wrapped_quote};

/// More values of one name are not looked at.
const MAX_VALUES: usize = 32;

impl Site<'_> {
    pub(super) fn behind_sign(
        &self,
        strength: Strength,
        at: usize,
        is_colon: bool,
        is_spaced: bool,
        is_quoted: bool,
        found: &mut Vec<Found>,
    ) {
        let bytes = self.bytes();
        if is_colon && let Some(at) = behind_type(bytes, at) {
            self.value(strength, at, Style::Spaced, found);
            return;
        }
        let is_gap =
            is_spaced || is_quoted || !matches!(skip_gap(bytes, at), (behind, _) if behind == at);
        let style = if is_gap {
            Style::Spaced
        } else if self.is_line() && !is_colon {
            Style::Line
        } else {
            Style::Tight
        };
        self.value(strength, at, style, found);
        if found.is_empty() {
            self.alternative(strength, at, found);
        }
    }

    /// The value that begins here, or the values of a list or of an object.
    pub(super) fn value(
        &self,
        strength: Strength,
        at: usize,
        style: Style,
        found: &mut Vec<Found>,
    ) {
        let bytes = self.bytes();
        let (mut at, mut lines) = skip_gap(bytes, at);
        if let Some(behind) = pairs::behind_yaml_marks(bytes, at) {
            lines += usize::from(byte(bytes, at) != b'!');
            at = behind;
        }
        if found.len() >= MAX_VALUES {
            return;
        }
        if byte(bytes, at) == b'$' && byte(bytes, at + 1) == b'{' {
            self.fallback(strength, at, found);
            return;
        }
        if let Some(items) = pairs::items(bytes, at, lines) {
            for item in items {
                self.scalar(strength, item, Style::Spaced, found);
            }
            return;
        }
        if let Some(member) = pairs::member(bytes, at, lines, strength) {
            for (at, strength) in member {
                self.scalar(strength, at, Style::Spaced, found);
            }
            return;
        }
        let style = if lines > 0 { Style::Spaced } else { style };
        if lines > 0 && pairs::is_key(bytes, at) {
            return;
        }
        self.scalar(strength, at, style, found);
    }

    /// One value, in quotes or not.
    pub(super) fn scalar(
        &self,
        strength: Strength,
        at: usize,
        style: Style,
        found: &mut Vec<Found>,
    ) {
        let bytes = self.bytes();
        match wrapped_quote(bytes, at) {
            Some((quote, is_wrapped)) => {
                let range = quoted(bytes, quote);
                // `getenv("TOKEN")` and `Secret::new("...")` look alike.
                let style = if is_wrapped && strength < Strength::Password {
                    Style::Argument
                } else {
                    Style::Quoted
                };
                self.judge(strength, range, style, found);
            }
            None => {
                let range = bare(bytes, at, style);
                self.judge(strength, range, style, found);
            }
        }
    }

    pub(super) fn judge(
        &self,
        strength: Strength,
        range: Range<usize>,
        style: Style,
        found: &mut Vec<Found>,
    ) {
        let end = self
            .text
            .floor_char_boundary(range.end.min(range.start + JUDGED));
        let Some(beginning) = self.text.get(range.start..end) else {
            return;
        };
        if beginning.starts_with("[redacted:") {
            return;
        }
        let next = byte(self.bytes(), range.end);
        if is_secret(beginning, strength, style, next) && range.end > range.start {
            found.push(Found { range, style });
        }
    }

    /// `${NAME:-fallback}`, `${NAME:fallback}`.
    pub(super) fn fallback(&self, strength: Strength, at: usize, found: &mut Vec<Found>) {
        const MAX: usize = 200;
        let bytes = self.bytes();
        let end = bytes.len().min(at + MAX);
        let inside = &bytes[at + 2..end.max(at + 2)];
        let Some(close) = inside.iter().position(|b| matches!(b, b'}' | b'\n')) else {
            return;
        };
        let Some(colon) = inside[..close].iter().position(|b| *b == b':') else {
            return;
        };
        let mut start = at + 2 + colon + 1;
        if matches!(byte(bytes, start), b'-' | b'=') {
            start += 1;
        }
        self.judge(strength, start..at + 2 + close, Style::Quoted, found);
    }

    /// What a program takes if a variable is not set: `ENV["TOKEN"] || "..."`.
    pub(super) fn alternative(&self, strength: Strength, at: usize, found: &mut Vec<Found>) {
        const MAX: usize = 80;
        let bytes = self.bytes();
        let end = line_end(bytes, at, MAX);
        let Some(line) = self.text.get(at..end) else {
            return;
        };
        for sign in [" || ", " ?? ", " or "] {
            if let Some(found_at) = line.find(sign) {
                self.argument(strength, at + found_at + sign.len(), found);
                return;
            }
        }
    }

    /// A quoted text behind a comma or in brackets.
    pub(super) fn argument(&self, strength: Strength, at: usize, found: &mut Vec<Found>) {
        let bytes = self.bytes();
        let (at, _) = skip_gap(bytes, at);
        if let Some((quote, _)) = wrapped_quote(bytes, at) {
            self.judge(strength, quoted(bytes, quote), Style::Argument, found);
        }
    }

    /// The next item of a list, in quotes or not.
    pub(super) fn item(&self, strength: Strength, at: usize, found: &mut Vec<Found>) {
        let bytes = self.bytes();
        let (at, _) = skip_gap(bytes, at);
        if wrapped_quote(bytes, at).is_some() {
            return self.argument(strength, at, found);
        }
        self.judge(
            strength,
            bare(bytes, at, Style::Word),
            Style::Argument,
            found,
        );
    }

    /// `<password>...</password>`, `<entry key="password">...</entry>`, `<key>password</key><string>...`.
    pub(super) fn tagged(&self, strength: Strength, at: usize, found: &mut Vec<Found>) {
        const MAX_TAG: usize = 40;
        const MAX_TEXT: usize = 4 * 1024;
        let bytes = self.bytes();
        let mut at = at;
        let before = byte(bytes, self.name.start.wrapping_sub(1));
        let is_named = matches!(before, b'<' | b'"' | b'\'' | b':' | b'>');
        if !is_named {
            return;
        }
        for _ in 0..2 {
            (at, _) = skip_gap(bytes, at);
            if byte(bytes, at) != b'<' {
                break;
            }
            let rest = &bytes[at..];
            if rest.starts_with(b"<![CDATA[") {
                at += 9;
                break;
            }
            let Some(end) = rest.iter().take(MAX_TAG).position(|b| *b == b'>') else {
                return;
            };
            at += end + 1;
        }
        let rest = &bytes[at.min(bytes.len())..];
        let Some(len) = rest
            .iter()
            .take(MAX_TEXT)
            .position(|b| matches!(b, b'<' | b'\n' | b'\r'))
        else {
            return;
        };
        if rest[len] == b'<' || rest[..len].ends_with(b"]]>") {
            let len = rest[..len].strip_suffix(b"]]>").map_or(len, <[u8]>::len);
            self.judge(strength, at..at + len, Style::Tagged, found);
        }
    }
}

/// The place behind the `=` that follows the type of a variable: `let key: &str = "..."`.
fn behind_type(bytes: &[u8], at: usize) -> Option<usize> {
    const MAX_TYPE: usize = 48;
    let is_type = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b'&'
                    | b'\''
                    | b'<'
                    | b'>'
                    | b'['
                    | b']'
                    | b'|'
                    | b'?'
                    | b'.'
                    | b':'
                    | b' '
                    | b'*'
            )
    };
    let rest = bytes.get(at..)?;
    let len = rest
        .iter()
        .take(MAX_TYPE)
        .take_while(|b| is_type(b))
        .count();
    let is_assigned =
        len > 1 && byte(rest, len) == b'=' && byte(rest, len + 1) != b'=' && rest[len - 1] == b' ';
    let behind = skip_blanks(bytes, at + len + 1);
    (is_assigned && wrapped_quote(bytes, behind).is_some()).then_some(behind)
}
