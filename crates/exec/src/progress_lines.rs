//! What a program prints, as notes for people: one line each, published at once.
//!
//! A note does not wait for what follows it, so it is judged by the lines before it: a value below its name, or one line of a
//! key, is no secret by itself.

use std::collections::VecDeque;

use shim_runtime::redact;

/// A note is a line for people.
pub const MAX_NOTE_BYTES: usize = 200;
/// How many lines before a line say what it is: a name, `=` and a scheme may stand on one each.
const LINES_BEFORE: usize = 3;
/// Bytes kept of such a line, from its end.
const MAX_BEFORE_BYTES: usize = 256;
/// After so many other lines a key without an end is taken to be over.
const MAX_LINES_IN_ARMOR: usize = 500;
/// Lines of keys have 64 bytes or more; no word of prose has as many as this.
const KEY_WORD_BYTES: usize = 40;

/// Turns the lines of one program into notes.
#[derive(Debug, Default)]
pub struct ProgressLines {
    /// The last lines that were not blank.
    before: VecDeque<String>,
    armor: Armor,
}

impl ProgressLines {
    /// The note that this line makes; `None` if it is blank or part of a secret.
    pub fn push(&mut self, line: &[u8]) -> Option<String> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line.is_empty() {
            return None;
        }
        let is_covered = self.armor.covers(line);
        let note = self.without_secrets(line);
        self.keep(line);
        note.filter(|_| !is_covered)
    }

    /// The line without secrets, read after the lines before it; `None` if a secret goes on from them.
    fn without_secrets(&self, line: &str) -> Option<String> {
        let line = redact::text(line);
        let before = self.before.iter().map(String::as_str);
        let lines: Vec<_> = before.chain([&*line]).collect();
        let text = lines.join("\n");
        let text = redact::text(&text);
        let clean: Vec<_> = text.split('\n').collect();
        let note = clean.last().filter(|_| clean.len() == lines.len())?;
        // Cut last: half a secret would look like none.
        Some(note[..note.floor_char_boundary(MAX_NOTE_BYTES)].to_owned())
    }

    fn keep(&mut self, line: &str) {
        if self.before.len() == LINES_BEFORE {
            self.before.pop_front();
        }
        let from = line.len().saturating_sub(MAX_BEFORE_BYTES);
        let end = &line[line.ceil_char_boundary(from)..];
        self.before.push_back(end.to_owned());
    }
}

/// Keys come in lines (RFC 7468), none of which looks like a secret by itself: nothing between `BEGIN` and `END` is a note. A
/// `BEGIN` may also be printed by a search or a comparison, with no `END` to come.
#[derive(Debug, Default)]
struct Armor {
    /// How many more lines it covers; lines that may be of a key do not count.
    left: usize,
}

impl Armor {
    fn covers(&mut self, line: &str) -> bool {
        let was_open = self.left > 0;
        match (line.rfind("-----BEGIN "), line.rfind("-----END ")) {
            (None, None) if is_of_key(line) => {}
            (None, None) => self.left = self.left.saturating_sub(1),
            (begin, end) if begin > end => self.left = MAX_LINES_IN_ARMOR,
            _ => self.left = 0,
        }
        was_open || self.left > 0
    }
}

/// Whether a line ends like one of a key, whatever its prefix.
fn is_of_key(line: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let word = line.rsplit(|c| !is_base64(c)).next();
    word.is_some_and(|word| word.len() >= KEY_WORD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "k3yW1thN0F0rm";

    /// The notes of the lines, one after the other.
    fn notes_of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Option<String>> {
        let mut notes = ProgressLines::default();
        let lines = lines.into_iter();
        lines.map(|line| notes.push(line.as_bytes())).collect()
    }

    fn begin() -> String {
        format!("{0}BEGIN PRIVATE KEY{0}", "-----")
    }

    #[test]
    fn a_value_below_its_name_is_in_no_note() {
        for name in [
            "api_key:",
            "  api_key:  ",
            "api_key\n=",
            "Authorization:\nToken",
        ] {
            for gap in ["\n", "\n  \n\n"] {
                let text = format!("first\n{name}{gap}  {VALUE}\nlast");
                let notes_of = notes_of(text.split('\n'));
                let notes: Vec<_> = notes_of.iter().flatten().collect();
                assert!(notes.iter().all(|note| !note.contains(VALUE)), "{notes:?}");
                assert_eq!(
                    (notes[0].as_str(), notes[notes.len() - 1].as_str()),
                    ("first", "last")
                );
            }
        }
        assert_eq!(notes_of(["no name", VALUE])[1].as_deref(), Some(VALUE));
    }

    #[test]
    fn a_secret_is_found_before_its_line_is_cut() {
        let line = format!("{} api_key={VALUE}", "x".repeat(MAX_NOTE_BYTES - 12));
        let notes_of = notes_of([line.as_str()]);
        let note = notes_of[0].as_deref().unwrap_or_default();
        assert!(
            note.len() <= MAX_NOTE_BYTES && note.ends_with("api_key=[re"),
            "{note}"
        );
    }

    #[test]
    fn a_key_is_in_no_note_and_what_follows_it_is() {
        let word = "MIIEpAIBAAKCAQEA".repeat(4);
        for prefix in ["", "+", "> ", "key.pem:7:"] {
            let mut lines = vec![format!("{prefix}{}", begin())];
            lines.extend(vec![format!("{prefix}{word}"); 2 * MAX_LINES_IN_ARMOR]);
            lines.push(format!("{prefix}{}", begin().replace("BEGIN", "END")));
            let notes_of_key = notes_of(lines.iter().map(String::as_str));
            assert!(notes_of_key.iter().all(Option::is_none), "{prefix}");
            lines.push("the end".to_owned());
            let notes_of = notes_of(lines.iter().map(String::as_str));
            assert_eq!(notes_of.last(), Some(&Some("the end".to_owned())));
        }
    }

    #[test]
    fn a_key_that_never_ends_does_not_silence_a_program() {
        let begin = begin();
        let lines = std::iter::once(begin.as_str());
        let notes_of = notes_of(lines.chain(std::iter::repeat_n("a line", MAX_LINES_IN_ARMOR + 1)));
        let silent = notes_of.iter().take_while(|note| note.is_none()).count();
        assert_eq!(silent, MAX_LINES_IN_ARMOR + 1);
        assert_eq!(notes_of.last(), Some(&Some("a line".to_owned())));
    }
}
