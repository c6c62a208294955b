//! Lines of a program's output, with those joined that one JSON object or list was written over. Pure.
//!
//! A message begins at the start of a line. So an object that was cut off costs no message behind it, however much of it is
//! missing.

/// A longer text is no message.
const MAX_JOINED_BYTES: usize = 4 * 1024 * 1024;

/// A line, or what stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Joined {
    /// A line by itself, or the lines of a whole object.
    Line(Vec<u8>),
    /// An object whose end is missing.
    Cut(Vec<u8>),
}

/// Joins lines; holds those of an object that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct JoinedLines {
    pending: Vec<u8>,
    brackets: Brackets,
}

impl JoinedLines {
    /// What a line completes.
    pub(super) fn push(&mut self, line: &[u8]) -> Vec<Joined> {
        if line.starts_with(b"{") || line.starts_with(b"[") {
            let mut joined = self.finish();
            let mut brackets = Brackets::default();
            brackets.feed(line);
            if brackets.is_open() && begins_json(line) {
                self.pending.extend_from_slice(line);
                self.brackets = brackets;
            } else {
                joined.push(Joined::Line(line.to_vec()));
            }
            return joined;
        }
        if self.pending.is_empty() {
            return vec![Joined::Line(line.to_vec())];
        }
        if self.pending.len() + line.len() > MAX_JOINED_BYTES {
            let mut joined = self.finish();
            joined.push(Joined::Line(line.to_vec()));
            return joined;
        }
        self.pending.push(b'\n');
        self.pending.extend_from_slice(line);
        self.brackets.feed(b"\n");
        self.brackets.feed(line);
        if self.brackets.is_open() {
            return Vec::new();
        }
        self.brackets = Brackets::default();
        vec![Joined::Line(std::mem::take(&mut self.pending))]
    }

    /// What is left when nothing more comes.
    pub(super) fn finish(&mut self) -> Vec<Joined> {
        self.brackets = Brackets::default();
        match std::mem::take(&mut self.pending) {
            empty if empty.is_empty() => Vec::new(),
            cut => vec![Joined::Cut(cut)],
        }
    }
}

/// Whether a line that begins with a bracket begins JSON, and not a line of a log.
fn begins_json(line: &[u8]) -> bool {
    let inside = line[1..].trim_ascii_start();
    let first = inside.first();
    match line[0] {
        b'{' => first.is_none_or(|byte| *byte == b'"'),
        _ => first.is_none_or(|byte| *byte == b'{'),
    }
}

/// Which brackets are open, up to the end of the first object or list.
#[derive(Debug, Default)]
struct Brackets {
    depth: usize,
    is_whole: bool,
    is_in_text: bool,
    is_escaped: bool,
}

impl Brackets {
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_text => self.is_escaped = true,
                b'"' => self.is_in_text = !self.is_in_text,
                b'{' | b'[' if !self.is_in_text => self.depth += 1,
                b'}' | b']' if !self.is_in_text => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_whole |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    fn is_open(&self) -> bool {
        !self.is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str]) -> Vec<String> {
        let mut joiner = JoinedLines::default();
        let mut joined: Vec<_> = lines
            .iter()
            .flat_map(|line| joiner.push(line.as_bytes()))
            .collect();
        joined.extend(joiner.finish());
        let show = |joined| match joined {
            Joined::Line(line) => String::from_utf8_lossy(&line).into_owned(),
            Joined::Cut(cut) => format!("cut: {}", String::from_utf8_lossy(&cut)),
        };
        joined.into_iter().map(show).collect()
    }

    #[test]
    fn an_object_over_several_lines_is_one_and_the_others_stay() {
        for (lines, expected) in [
            (vec!["a", "{\"b\":1}", "c"], vec!["a", "{\"b\":1}", "c"]),
            (
                vec!["{", "  \"a\": [", "    {\"b\": 1}", "  ]", "}", "x"],
                vec!["{\n  \"a\": [\n    {\"b\": 1}\n  ]\n}", "x"],
            ),
            (
                vec!["{\"a\": \"one", "two}\"", "}"],
                vec!["{\"a\": \"one\ntwo}\"\n}"],
            ),
            (
                vec!["{\"a\": \"cut", "{\"b\":1}"],
                vec!["cut: {\"a\": \"cut", "{\"b\":1}"],
            ),
            (
                vec!["{\"a\": \"cut", "npm notice", "{", "}"],
                vec!["cut: {\"a\": \"cut\nnpm notice", "{\n}"],
            ),
            (vec!["[", "  {", "  }", "]"], vec!["[\n  {\n  }\n]"]),
            (
                vec!["[info", "{ not json", "x"],
                vec!["[info", "{ not json", "x"],
            ),
            (vec!["{\"a\":"], vec!["cut: {\"a\":"]),
            (
                vec!["{\"a\":1} and \"more {", "x"],
                vec!["{\"a\":1} and \"more {", "x"],
            ),
        ] {
            assert_eq!(joined(&lines), expected);
        }
    }

    #[test]
    fn an_object_without_an_end_costs_no_more_than_its_bound() {
        let mut joiner = JoinedLines::default();
        assert!(joiner.push(b"{\"a\": [").is_empty());
        let line = [b'1'; 1 << 20];
        let joined: Vec<_> = (0..6).flat_map(|_| joiner.push(&line)).collect();
        assert!(matches!(joined[0], Joined::Cut(_)) && joiner.pending.is_empty());
    }
}
