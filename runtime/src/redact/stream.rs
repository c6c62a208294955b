//! Secrets taken out of bytes that come in pieces, wherever they were cut: what a program prints, on its way to a file.
//!
//! A piece is handed on when so much is known of what follows it that no secret can go on there. What is no text stays
//! byte for byte.

use std::borrow::Cow;

use super::rules;

/// How much must follow before anything is handed on: more than the longest private key has.
const LOOKAHEAD: usize = 16 * 1024;
/// How much is held back at most, and looked through at once.
const WINDOW: usize = 64 * 1024;
/// Stands for a byte that is no text while rules look at it: as long, and part of no secret.
const NO_TEXT: char = '\u{1a}';

/// The state between two pieces; bounded, whatever comes.
#[derive(Debug, Default)]
pub struct Stream {
    held: Vec<u8>,
    /// The rest of the line belongs to a secret that had no end.
    is_inside: bool,
}

impl Stream {
    /// Takes a piece, and returns what is known to be clean by now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.hold(piece);
        let mut clean = Vec::new();
        while self.held.len() >= WINDOW {
            clean.extend(self.hand_on());
        }
        clean
    }

    /// Nothing follows: returns the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        cleaned(&std::mem::take(&mut self.held)).into_owned()
    }

    fn hold(&mut self, piece: &[u8]) {
        let line_end = piece.iter().position(|byte| *byte == b'\n');
        match (self.is_inside, line_end) {
            (true, None) => {}
            (true, Some(end)) => {
                self.is_inside = false;
                self.held.extend_from_slice(&piece[end..]);
            }
            (false, _) => self.held.extend_from_slice(piece),
        }
    }

    /// What the window shows, up to a place that no secret spans.
    fn hand_on(&mut self) -> Vec<u8> {
        let window = &self.held[..WINDOW];
        let seam = rules::seam(&readable(window), WINDOW - LOOKAHEAD);
        if seam == 0 {
            return self.cut_off();
        }
        let clean = cleaned(&self.held[..seam]).into_owned();
        self.held.drain(..seam);
        clean
    }

    /// One secret fills the window: its beginning is replaced, and the rest of its line left out.
    fn cut_off(&mut self) -> Vec<u8> {
        let rest = self.held.split_off(WINDOW);
        let beginning = std::mem::take(&mut self.held);
        self.is_inside = true;
        self.hold(&rest);
        cleaned(&beginning).into_owned()
    }
}

/// The bytes without secrets, or as they are.
fn cleaned(bytes: &[u8]) -> Cow<'_, [u8]> {
    match super::text(&readable(bytes)) {
        Cow::Owned(redacted) => Cow::Owned(redacted.into_bytes()),
        Cow::Borrowed(_) => Cow::Borrowed(bytes),
    }
}

/// A text with everything at the same place as in these bytes.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| NO_TEXT));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
        let mut stream = Stream::default();
        let mut clean = Vec::new();
        for piece in pieces {
            clean.extend(stream.push(piece.as_ref()));
            assert!(stream.held.len() < WINDOW);
        }
        clean.extend(stream.finish());
        clean
    }

    fn token() -> String {
        format!("ghp_{}", "a1B2c3D4e5F6".repeat(3))
    }

    /// What stands for it.
    fn mark() -> String {
        crate::redact::text(&token()).into_owned()
    }

    fn key(lines: usize) -> String {
        let lines = format!("{}\n", "MIIEpAIBAAKCAQEA".repeat(4)).repeat(lines);
        let dashes = "-----";
        format!("{dashes}BEGIN PRIVATE KEY{dashes}\n{lines}{dashes}END PRIVATE KEY{dashes}\n")
    }

    /// A length with which the secret stands across the place where the window would be cut.
    fn filled(before: usize) -> String {
        "a line of no interest\n".repeat(before / 22)
    }

    #[test]
    fn a_secret_is_found_wherever_the_pieces_end() {
        for size in [1, 7, 4_096, 16_384, 1_000_000] {
            let text = format!("{}see {} there\n", filled(WINDOW), token()).repeat(3);
            let clean = through(text.as_bytes().chunks(size));
            let expected = text.replace(&token(), &mark());
            assert_eq!(String::from_utf8_lossy(&clean), expected, "{size}");
        }
    }

    #[test]
    fn a_secret_is_found_wherever_the_window_ends() {
        let (token, edge) = (token(), WINDOW - LOOKAHEAD);
        for at in edge - 60..edge + 5 {
            let text = format!("{}{token} {}", " ".repeat(at), "x".repeat(WINDOW));
            let clean = through(std::iter::once(&text));
            let expected = text.replace(&token, &mark());
            assert!(clean == expected.as_bytes(), "at {at}");
        }
    }

    #[test]
    fn a_key_of_many_lines_is_taken_out_whole() {
        for before in (0..WINDOW).step_by(3_001) {
            let text = format!("{}{}the end\n", filled(before), key(200));
            let clean = through(text.as_bytes().chunks(1_000));
            let expected = format!("{}[redacted:private-key]\nthe end\n", filled(before));
            assert_eq!(String::from_utf8_lossy(&clean), expected, "{before}");
        }
    }

    #[test]
    fn a_value_on_the_line_after_its_name_is_found() {
        for before in WINDOW - LOOKAHEAD - 60..WINDOW - LOOKAHEAD {
            let value = "k3yW1thN0F0rm";
            let text = format!(
                "{}\napi_key:\n  {value}\n{}",
                " ".repeat(before),
                filled(WINDOW)
            );
            let clean = through(text.as_bytes().chunks(5_000));
            let clean = String::from_utf8_lossy(&clean);
            assert!(!clean.contains(value) && clean.contains("[redacted:assigned-secret]"));
        }
    }

    #[test]
    fn what_is_no_text_stays_as_it_is() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * WINDOW + 17).collect();
        assert!(through(bytes.chunks(1_001)) == bytes);
        let mut mixed = vec![0xFF; WINDOW];
        mixed.extend_from_slice(format!(" {} ", token()).as_bytes());
        let clean = through(mixed.chunks(999));
        assert!(clean.ends_with(format!(" {} ", mark()).as_bytes()));
    }

    #[test]
    fn a_secret_without_end_costs_its_line_and_no_memory() {
        let endless = format!("token={}", "a1".repeat(2 * WINDOW));
        let text = format!("before\n{endless}\nafter\n");
        let clean = through(text.as_bytes().chunks(4_096));
        assert_eq!(
            String::from_utf8_lossy(&clean),
            "before\ntoken=[redacted:assigned-secret]\nafter\n"
        );
    }
}
