//! Steps over the signs between a name and its value, in plain text and in text that was escaped (JSON, `Debug`).

/// Longer runs of white space are no gap between a name and its value.
const MAX_GAP: usize = 200;

/// How a quoted text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) sign: u8,
    /// How many backslashes stand before it.
    pub(super) depth: usize,
    /// Where what is quoted begins.
    pub(super) start: usize,
}

pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

pub(super) fn starts_with(text: &[u8], at: usize, beginning: &[u8]) -> bool {
    text.get(at..at + beginning.len())
        .is_some_and(|it| it.eq_ignore_ascii_case(beginning))
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// How many backslashes stand here.
pub(super) fn backslashes(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter()
        .take(MAX_GAP)
        .take_while(|b| **b == b'\\')
        .count()
}

/// The quote that begins here.
pub(super) fn quote(text: &[u8], at: usize) -> Option<Quote> {
    let depth = backslashes(text, at);
    let sign = byte(text, at + depth);
    let start = at + depth + 1;
    matches!(sign, b'"' | b'\'' | b'`').then_some(Quote { sign, depth, start })
}

/// Where the blanks that begin here end; those of one line.
pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    let end = at + MAX_GAP;
    while at < end {
        match byte(text, at) {
            b' ' | b'\t' => at += 1,
            b'\\' => match escape(text, at) {
                Some((b't', behind)) => at = behind,
                _ => break,
            },
            _ => break,
        }
    }
    at
}

/// Where the gap that begins here ends, lines included, and how many lines it crosses.
pub(super) fn skip_gap(text: &[u8], mut at: usize) -> (usize, usize) {
    let end = at + MAX_GAP;
    let mut lines = 0;
    while at < end {
        match byte(text, at) {
            b'\n' => {
                lines += 1;
                at += 1;
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            b'\\' => match escape(text, at) {
                Some((letter, behind)) => {
                    lines += usize::from(letter == b'n');
                    at = behind;
                }
                None => break,
            },
            _ => break,
        }
    }
    (at, lines)
}

/// The letter of an escaped blank or end of line (`\n`, `\\n`), and where it ends.
pub(super) fn escape(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let depth = backslashes(text, at);
    let letter = byte(text, at + depth);
    (depth > 0 && matches!(letter, b'n' | b'r' | b't')).then_some((letter, at + depth + 1))
}

/// Where the line ends that holds this place, not looking further than `limit`.
pub(super) fn line_end(text: &[u8], at: usize, limit: usize) -> usize {
    let end = text.len().min(at + limit);
    let mut here = at;
    while here < end && !matches!(text[here], b'\n' | b'\r') {
        if text[here] == b'\\' && escape(text, here).is_some_and(|(letter, _)| letter != b't') {
            break;
        }
        here += 1;
    }
    here
}

/// Where the line begins that holds this place, not looking further than `limit`.
pub(super) fn line_start(text: &[u8], at: usize, limit: usize) -> usize {
    let start = at.saturating_sub(limit);
    let mut here = at;
    while here > start {
        let before = text[here - 1];
        if matches!(before, b'\n' | b'\r') {
            break;
        }
        if matches!(before, b'n' | b'r') && here >= 2 && text[here - 2] == b'\\' {
            break;
        }
        here -= 1;
    }
    here
}
