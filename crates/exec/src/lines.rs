//! A stream of bytes, cut into lines of bounded length.

/// A longer line is dropped: no message is of use at that size, and memory stays bounded.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

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

    fn extend(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            self.is_too_long = true;
            self.partial = Vec::new();
        }
        if !self.is_too_long {
            self.partial.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for bytes in ["on", "e\ntwo\r\n\nthr", "ee"] {
            lines.push(bytes.as_bytes(), |line| seen.push(line.to_vec()));
        }
        lines.finish(|line| seen.push(line.to_vec()));
        assert_eq!(seen, [&b"one"[..], b"two", b"three"]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_hides_no_other() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for _ in 0..2 * MAX_LINE_BYTES / 65_536 {
            lines.push(&[b'x'; 65_536], |line| seen.push(line.to_vec()));
        }
        assert!(lines.partial.capacity() <= 2 * MAX_LINE_BYTES);
        lines.push(b"\nnext\n", |line| seen.push(line.to_vec()));
        assert_eq!(seen, [b"next"]);
    }
}
