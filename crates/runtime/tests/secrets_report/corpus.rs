//! Lines with their secrets put in. No secret stands in a file, so that no scanner of repositories finds one.

/// A line of the corpus.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) secrets: Vec<String>,
    pub(super) is_held_out: bool,
}

const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BECH32: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const WORD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PASSWORD: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789!#%*-_=+";
const DIGITS: &str = "123456789";
const WORDS: [&str; 12] = [
    "orbit", "velvet", "canyon", "puzzle", "anchor", "maple", "tunnel", "silver", "basket",
    "rocket", "winter", "garden",
];

/// The lines of a file; `#` begins a heading.
pub(super) fn lines(file: &str) -> Vec<Line> {
    let lines = file
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.is_empty());
    lines
        .enumerate()
        .map(|(number, line)| Line::new(line, number))
        .collect()
}

impl Line {
    fn new(line: &str, number: usize) -> Self {
        let mut random = Random(number as u32 + 1);
        let mut text = String::new();
        let mut secrets = Vec::new();
        let line = line.replace('⏎', "\n");
        let mut rest = line.as_str();
        while let Some(start) = rest.find(['«', '‹']) {
            text.push_str(&rest[..start]);
            let is_secret = rest[start..].starts_with('«');
            let (open, close) = if is_secret {
                ('«', '»')
            } else {
                ('‹', '›')
            };
            let end = start + rest[start..].find(close).unwrap();
            let made = random.value(&rest[start + open.len_utf8()..end]);
            text.push_str(&made);
            if is_secret {
                secrets.push(made);
            }
            rest = &rest[end + close.len_utf8()..];
        }
        text.push_str(rest);
        let is_held_out = number % 3 == 2;
        Self {
            text,
            secrets,
            is_held_out,
        }
    }
}

/// The same values in every run.
struct Random(u32);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mixed = (self.0 ^ (self.0 >> 15)).wrapping_mul(2_654_435_761);
        (mixed >> 8) as usize % below
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..length)
            .map(|_| char::from(alphabet[self.next(alphabet.len())]))
            .collect()
    }

    /// What a description stands for: parts joined by `+`, each an alphabet with a length or a text of its own.
    fn value(&mut self, description: &str) -> String {
        if let Some(literal) = description.strip_prefix('=') {
            return literal.to_owned();
        }
        description.split('+').map(|part| self.part(part)).collect()
    }

    fn part(&mut self, part: &str) -> String {
        let name = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let length = part[name.len()..].parse().unwrap_or(0);
        match name {
            "hex" => self.text(HEX, length),
            "up" => self.text(UPPER, length),
            "bech" => self.text(BECH32, length),
            "low" => self.text(LOWER, length),
            "w" => self.text(WORD, length),
            "b64x" => self.text(BASE64, length),
            "dig" => self.text(DIGITS, length),
            // One of each kind at least, as rules for passwords ask for.
            "pw" => format!(
                "{}k7R{}",
                self.text(WORD, 2),
                self.text(PASSWORD, length - 5)
            ),
            "uuid" => [8, 4, 4, 4, 12]
                .map(|length| self.text(HEX, length))
                .join("-"),
            "phrase" => WORDS.join(" "),
            "pem" => self.key("RSA ", "\n"),
            "pemec" => self.key("EC ", "\n"),
            "pemline" => self.key("", "\\n"),
            _ => part.to_owned(),
        }
    }

    fn key(&mut self, kind: &str, line_end: &str) -> String {
        let lines = [0; 6].map(|_| self.text(BASE64, 64)).join(line_end);
        let edge = |word: &str| format!("-----{word} {kind}PRIVATE{} KEY-----", "");
        [edge("BEGIN"), lines, edge("END")].join(line_end)
    }
}
