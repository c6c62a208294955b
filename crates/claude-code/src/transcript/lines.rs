//! The lines of a file, one after the other, in bounded memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result, Seek, SeekFrom};

use super::Limits;

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A line without its end.
    Line(&'a [u8]),
    /// A line that is longer than the limit.
    TooLong,
    /// What stands here was left out.
    Cut,
}

/// What happens to a last line without an end: it may go on behind what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastLine {
    Told,
    LeftOut,
}

/// Tells the lines of a file as it was when it was opened: all of them, or those of its beginning and its end.
pub(super) fn read_parts(
    mut file: File,
    limits: &Limits,
    tell: &mut dyn FnMut(Part<'_>),
) -> Result<()> {
    let meta = file.metadata()?;
    let most = limits.head_bytes.saturating_add(limits.tail_bytes);
    if !meta.is_file() || meta.len() <= most {
        let read = if meta.is_file() { meta.len() } else { most };
        return tell_lines(file.take(read), limits.line_bytes, LastLine::Told, tell);
    }
    let head = (&mut file).take(limits.head_bytes);
    tell_lines(head, limits.line_bytes, LastLine::LeftOut, tell)?;
    tell(Part::Cut);
    // One byte earlier: if that is the end of a line, the next one is whole.
    let from = meta.len() - limits.tail_bytes;
    file.seek(SeekFrom::Start(from - 1))?;
    let mut tail = BufReader::new(file.take(limits.tail_bytes + 1));
    tail.skip_until(b'\n')?;
    tell_lines(tail, limits.line_bytes, LastLine::Told, tell)
}

fn tell_lines(
    from: impl Read,
    max: usize,
    last: LastLine,
    tell: &mut dyn FnMut(Part<'_>),
) -> Result<()> {
    let mut from = BufReader::with_capacity(64 << 10, from);
    let (mut line, mut length) = (Vec::new(), 0_usize);
    loop {
        let bytes = from.fill_buf()?;
        if bytes.is_empty() {
            if length > 0 && last == LastLine::Told {
                tell_one(&line, length, tell);
            }
            return Ok(());
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = &bytes[..end.unwrap_or(bytes.len())];
        length += piece.len();
        if length <= max {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            tell_one(&line, length, tell);
            line.clear();
            length = 0;
        }
    }
}

/// Tells a line of which `kept` is what was kept of `length` bytes; an empty one is nothing.
fn tell_one(kept: &[u8], length: usize, tell: &mut dyn FnMut(Part<'_>)) {
    if length > kept.len() {
        tell(Part::TooLong);
    } else if !kept.trim_ascii().is_empty() {
        tell(Part::Line(kept));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn parts(content: &[u8], head: u64, tail: u64, line: usize) -> Vec<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let limits = Limits {
            head_bytes: head,
            tail_bytes: tail,
            line_bytes: line,
            ..Limits::default()
        };
        let mut told = Vec::new();
        read_parts(file, &limits, &mut |part| {
            told.push(match part {
                Part::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Part::TooLong => "too long".to_owned(),
                Part::Cut => "cut".to_owned(),
            });
        })
        .unwrap();
        told
    }

    #[test]
    fn a_file_within_the_limits_is_told_whole_with_its_torn_last_line() {
        let told = parts(b"one\n\n  \ntwo\r\nthr", 8, 16, 10);
        assert_eq!(told, ["one", "two\r", "thr"]);
        assert!(parts(b"", 8, 8, 10).is_empty());
    }

    #[test]
    fn a_longer_line_is_told_as_such_and_the_next_one_follows() {
        assert_eq!(
            parts(b"0123456789\n01234567890\nx\n", 50, 50, 10),
            ["0123456789", "too long", "x"]
        );
    }

    #[test]
    fn of_a_giant_file_whole_lines_of_both_ends_are_told() {
        // The head ends in the second line, the tail begins in the fourth.
        assert_eq!(
            parts(b"one\ntwo\nthree\nfour\nfive\n", 6, 7, 10),
            ["one", "cut", "five"]
        );
        // The tail begins where a line does.
        assert_eq!(
            parts(b"one\ntwo\nthree\nfour\nfive\n", 4, 10, 10),
            ["one", "cut", "four", "five"]
        );
    }
}
