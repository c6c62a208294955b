//! A stream of bytes, cut into lines of bounded length.
//!
//! Programs write JSON lines whose strings may be of any length: of a longer line the middle of each long string is left
//! out, so that the line stays readable and memory bounded.

use crate::text::{marker, stands_for};

/// Bytes kept of one line. A longer line that long strings do not explain is dropped.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes kept from each end of a long string: more than any text of the contract holds.
const KEPT_OF_A_STRING: usize = 512 * 1024;

/// Cuts lines; holds the one that is not complete yet.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Calls `each` with every line that `bytes` complete, without its end. Empty lines are left out.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            self.finish(&mut each);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    /// Calls `each` with what is left at the end of the stream, for a last line may lack its end.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        if !line.is_empty() && !self.is_too_long {
            each(line);
        }
        self.partial.clear();
        self.is_too_long = false;
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_too_long {
            if self.partial.len() == MAX_LINE_BYTES {
                self.make_room();
                continue;
            }
            let room = MAX_LINE_BYTES - self.partial.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Shortens a line, or gives it up if half of its room is not gained: so each byte is looked at twice on average.
    fn make_room(&mut self) {
        self.partial = shortened(&self.partial);
        if self.partial.len() > MAX_LINE_BYTES / 2 {
            self.is_too_long = true;
            self.partial = Vec::new();
        }
    }
}

/// A line of JSON that may be incomplete, with its long strings shortened; any other line as it is.
fn shortened(line: &[u8]) -> Vec<u8> {
    if line.first() != Some(&b'{') {
        return line.to_vec();
    }
    let mut short = Vec::with_capacity(MAX_LINE_BYTES / 2);
    let mut rest = line;
    while let Some(quote) = rest.iter().position(|byte| *byte == b'"') {
        let (before, string) = rest.split_at(quote + 1);
        short.extend_from_slice(before);
        let (content, after) = string.split_at(string_length(string));
        shorten_string(content, &mut short);
        let Some((quote, after)) = after.split_first() else {
            return short;
        };
        short.push(*quote);
        rest = after;
    }
    short.extend_from_slice(rest);
    short
}

/// Bytes up to the quote that ends a string, or to the end of what is there.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'"' {
        at += unit_length(bytes[at..].iter());
    }
    at.min(bytes.len())
}

/// Bytes of the letter or escape that begins here.
fn unit_length<'a>(mut bytes: impl Iterator<Item = &'a u8>) -> usize {
    match (bytes.next(), bytes.next()) {
        (Some(b'\\'), Some(b'u')) => 6,
        (Some(b'\\'), _) => 2,
        _ => 1,
    }
}

/// Adds a string's content, without its middle if it is long.
fn shorten_string(content: &[u8], short: &mut Vec<u8>) {
    if content.len() <= 2 * KEPT_OF_A_STRING {
        short.extend_from_slice(content);
        return;
    }
    let (mut head, mut tail, mut at) = (0, content.len(), 0);
    while at < content.len() {
        let is_start = content[at] & 0xC0 != 0x80;
        if is_start && at <= KEPT_OF_A_STRING {
            head = at;
        }
        if is_start && at >= content.len() - KEPT_OF_A_STRING {
            tail = at;
            break;
        }
        at += unit_length(content[at..].iter());
    }
    let middle = &content[head..tail];
    let mark = marker(stands_for(&String::from_utf8_lossy(middle))).replace('\n', "\\n");
    short.extend_from_slice(&content[..head]);
    short.extend_from_slice(mark.as_bytes());
    short.extend_from_slice(&content[tail..]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut keep = |line: &[u8]| seen.push(String::from_utf8(line.to_vec()).unwrap());
        for chunk in chunks {
            lines.push(chunk, &mut keep);
            assert!(lines.partial.capacity() <= 2 * MAX_LINE_BYTES);
        }
        lines.finish(&mut keep);
        seen
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let seen = lines_of(&[b"on", b"e\ntwo\r\n\nthr", b"ee"]);
        assert_eq!(seen, ["one", "two", "three"]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_hides_no_other() {
        let chunk = [b'x'; 65_536];
        let mut chunks = vec![&chunk[..]; 2 * MAX_LINE_BYTES / 65_536];
        chunks.push(b"\nnext\n");
        assert_eq!(lines_of(&chunks), ["next"]);
    }

    #[test]
    fn a_long_json_line_loses_the_middle_of_its_long_strings_and_nothing_else() {
        for (unit, count) in [
            ("x", 5_000_001),
            ("ü", 2_500_000),
            ("\\n", 2_500_000),
            ("\\ud83d\\ude00", 1_000_001),
            ("\\\\", 2_400_000),
            ("\\\"", 3_000_000),
        ] {
            let text = unit.repeat(count);
            let line =
                format!("{{\"type\":\"result\",\"result\":\"{text}\",\"is_error\":false}}\n");
            let chunks: Vec<_> = line.as_bytes().chunks(10_007).collect();
            let seen = lines_of(&chunks);
            let [line] = &seen[..] else {
                panic!("one line of {unit}: {}", seen.len());
            };
            assert!(line.len() <= MAX_LINE_BYTES, "{unit}: {}", line.len());
            let (before, after) = (
                "{\"type\":\"result\",\"result\":\"",
                "\",\"is_error\":false}",
            );
            let kept = line.strip_prefix(before).unwrap();
            let kept = kept.strip_suffix(after).unwrap();
            let (head, rest) = kept.split_once("\\n[... ").unwrap();
            let (missing, tail) = rest.split_once(" bytes left out ...]\\n").unwrap();
            let missing: usize = missing.parse().unwrap();
            assert!(head.len().is_multiple_of(unit.len()) || unit.starts_with("\\ud"));
            assert!(tail.starts_with(unit) || unit.starts_with("\\ud"), "{unit}");
            // A mark that was cut again is counted among the bytes that it stands for.
            let counted = head.len() + missing + tail.len();
            assert!(counted.abs_diff(text.len()) <= 64 * 40, "{unit}: {counted}");
        }
    }
}
