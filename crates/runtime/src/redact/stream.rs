//! Secrets taken out of bytes that come in pieces, wherever they were cut: what a program prints, on its way to a file.
//!
//! A piece is handed on when so much is known of what follows it that no secret can go on there. What is no secret stays
//! byte for byte, be it text or not.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{rules, text};

/// How much must follow before anything is handed on: enough to see of any secret that it has begun.
const LOOKAHEAD: usize = 16 * 1024;
/// How much is held back at most, and looked through at once.
const WINDOW: usize = 64 * 1024;
/// The mark of a private key.
const KEY_MARK: &[u8] = b"[redacted:private-key]";
/// More than the last, short line of a key and the one that ends it have together.
const KEY_END_BYTES: usize = 128;

/// How a private key goes on, in lines or escaped in one, and how it ends.
static KEY_BODY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // It compiles: tests see keys taken out by it.
    Regex::new(r"(?-u)\A(?:[A-Za-z0-9+/=\\]+|[ \t\r]*\n[ \t]*)*(-----END[ A-Z0-9]{0,60}-----)?")
        .ok()
});

/// The state between two pieces; bounded, whatever comes.
#[derive(Debug, Default)]
pub struct StreamRedactor {
    buffer: Vec<u8>,
    skipping: Skipping,
}

/// What may still come of a secret that was larger than the window.
#[derive(Debug, Default)]
enum Skipping {
    #[default]
    Nothing,
    UntilLineEnd,
    UntilKeyEnd,
}

impl StreamRedactor {
    /// Takes a piece, and returns the text that is known to be clean by now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(piece);
        self.skip();
        let mut clean = Vec::new();
        while self.buffer.len() >= WINDOW {
            clean.extend(self.take_window());
            self.skip();
        }
        clean
    }

    /// Nothing follows: returns the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        redact_bytes(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// What the window shows, up to a place that no secret spans, or to the end of the one that fills it.
    fn take_window(&mut self) -> Vec<u8> {
        let window = readable(&self.buffer[..WINDOW], |_| '\u{1a}');
        let split_point = rules::split_point(&window, WINDOW - LOOKAHEAD);
        let beginning: Vec<u8> = self.buffer.drain(..split_point).collect();
        let clean = redact_bytes(&beginning).into_owned();
        let may_go_on = WINDOW - split_point < KEY_END_BYTES && !beginning.ends_with(b"-----");
        if may_go_on && clean.ends_with(KEY_MARK) {
            self.skipping = Skipping::UntilKeyEnd;
        } else if split_point == WINDOW && !beginning.ends_with(b"\n") {
            self.skipping = Skipping::UntilLineEnd;
        }
        clean
    }

    /// Leaves out the rest of a secret whose beginning was handed on.
    fn skip(&mut self) {
        match self.skipping {
            Skipping::Nothing => {}
            Skipping::UntilLineEnd => self.skip_line(),
            Skipping::UntilKeyEnd => self.skip_key(),
        }
    }

    fn skip_line(&mut self) {
        match self.buffer.iter().position(|byte| *byte == b'\n') {
            None => self.buffer.clear(),
            Some(end) => {
                self.buffer.drain(..end);
                self.skipping = Skipping::Nothing;
            }
        }
    }

    /// As far as it goes on like a key: one without its end must not hide all that follows.
    fn skip_key(&mut self) {
        let body = KEY_BODY
            .as_ref()
            .and_then(|body| body.captures(&self.buffer));
        let (end, is_ended) = body.map_or((0, false), |body| {
            (body.get_match().end(), body.get(1).is_some())
        });
        self.buffer.drain(..end);
        let may_go_on = match self.buffer.trim_ascii_start().first() {
            None => true,
            // Perhaps the line that ends it, not whole yet.
            Some(b'-') => self.buffer.len() < KEY_END_BYTES,
            Some(_) => false,
        };
        if is_ended || !may_go_on {
            self.skipping = Skipping::Nothing;
        }
    }
}

/// The bytes without secrets, or as they are.
fn redact_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let text = readable(bytes, to_placeholder);
    let is_text = matches!(text, Cow::Borrowed(_));
    match text::text(&text) {
        Cow::Borrowed(_) => Cow::Borrowed(bytes),
        Cow::Owned(redacted) if is_text => Cow::Owned(redacted.into_bytes()),
        Cow::Owned(redacted) => Cow::Owned(redacted.chars().map(from_placeholder).collect()),
    }
}

/// As rules can look at it: bytes that are no text have a character for each, and those that are not ASCII another.
fn readable(bytes: &[u8], other: impl Fn(u8) -> char) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let character = |byte: u8| {
        if byte.is_ascii() {
            char::from(byte)
        } else {
            other(byte)
        }
    };
    Cow::Owned(bytes.iter().copied().map(character).collect())
}

/// A character for private use, which is no letter and no space to any rule.
fn to_placeholder(byte: u8) -> char {
    char::from_u32(0xE000 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte of a character that is ASCII or stands in.
fn from_placeholder(character: char) -> u8 {
    u32::from(character).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn through(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
        let mut stream = StreamRedactor::default();
        let mut clean = Vec::new();
        for piece in pieces {
            clean.extend(stream.push(piece.as_ref()));
            assert!(stream.buffer.len() < WINDOW);
        }
        clean.extend(stream.finish());
        clean
    }

    fn token() -> String {
        format!("ghp_{}", "a1B2c3D4e5F6".repeat(3))
    }

    /// Its mark.
    fn mark() -> String {
        crate::redact::text(&token()).into_owned()
    }

    fn key(headers: &str, size: usize) -> String {
        let line = format!("{}\n", "MIIEpAIBAAKCAQEA".repeat(4));
        let lines = line.repeat(size / line.len());
        let dashes = "-----";
        format!(
            "{dashes}BEGIN PRIVATE KEY{dashes}\n{headers}{lines}=aB3d\n{dashes}END PRIVATE KEY{dashes}\n"
        )
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
        let mail = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A1B2C3D4E5F6071\n\n";
        let pgp = "Version: GnuPG v2\r\nComment: not for you\r\n\r\n";
        for (headers, size) in [("", 12), (mail, 20), (pgp, 50), ("", 100), (mail, 100)] {
            let key = key(headers, size * 1024);
            for before in (0..WINDOW).step_by(6_007) {
                let text = format!("{}{key}the end\n", filled(before));
                let clean = through(text.as_bytes().chunks(1_000));
                let expected = format!("{}[redacted:private-key]\nthe end\n", filled(before));
                let clean = String::from_utf8_lossy(&clean);
                assert!(clean == expected, "{size} KiB at {before}: {clean}");
            }
        }
    }

    #[test]
    fn a_key_is_taken_out_whole_of_escaped_text() {
        for size in [20, 50, 100] {
            let key = key("", size * 1024).trim_end().replace('\n', "\\n");
            let text = format!("{{\"note\": \"{key}\", \"next\": \"words\"}}\n");
            for chunk in [7, 1_000, 1_000_000] {
                let clean = through(text.as_bytes().chunks(chunk));
                let expected = "{\"note\": \"[redacted:private-key]\", \"next\": \"words\"}\n";
                assert_eq!(String::from_utf8_lossy(&clean), expected, "{size} KiB");
            }
        }
    }

    #[test]
    fn a_key_without_end_costs_what_looks_like_it() {
        for size in [20, 50, 100] {
            let key = key("", size * 1024);
            let (endless, _) = key.split_once("=aB3d").unwrap();
            // What goes on beyond the window ends where it cannot be of a key.
            let after = if size < 64 { "the end" } else { "- the end" };
            for before in [0, 28 * 1024] {
                let text = format!("{}{endless}{after}\n{}", filled(before), filled(WINDOW));
                let expected = text.replace(endless, "[redacted:private-key]");
                for chunk in [1_000, 1_000_000] {
                    let clean = through(text.as_bytes().chunks(chunk));
                    assert!(clean == expected.as_bytes(), "{size} KiB at {before}");
                }
            }
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
    }

    #[test]
    fn what_is_no_text_stays_as_it_is_around_a_secret() {
        // Sequences of UTF-8, whole and broken, and characters that stand in.
        let noise = ["ü\u{e0ff}\u{1a}".as_bytes(), &[0xFF, 0, 0xC3, b'x', 0x80]].concat();
        for before in [0, 3, WINDOW - LOOKAHEAD - 20, WINDOW] {
            let noise: Vec<u8> = noise.iter().copied().cycle().take(before + 5).collect();
            let around = |secret: &str| [&noise, secret.as_bytes(), &noise].concat();
            let clean = through(around(&format!(" {} ", token())).chunks(999));
            assert!(clean == around(&format!(" {} ", mark())), "{before}");
        }
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
