//! How much of a value is chance: letters and digits that stand in no word.

use std::ops::AddAssign;

use super::words::ORDINARY;

/// For each letter the ones that follow it in words of English and of programs; together 97 % of all pairs.
const FOLLOWERS: [&str; 26] = [
    "bcdfgiklmnprstuvwxy",
    "abceijlorstuy",
    "acdehiklmorstuy",
    "abcdefilnorstu",
    "abcdefghiklmnopqrstuvwxy",
    "adefilorstuy",
    "aeghilmnorsu",
    "aeilmorstuy",
    "abcdefgklmnoprstvxz",
    "aeosu",
    "aeils",
    "acdefilnopstuvy",
    "abdeilmopstu",
    "acdefghiklnoprstuvy",
    "abcdefgiklmnoprstuvwx",
    "acdehilmoprstuy",
    "u",
    "abcdefgiklmnoprstuvy",
    "acdefghiklmnoprstuwy",
    "abcdefhilmnoprstuy",
    "abcdefgilmnoprst",
    "aeio",
    "aehinors",
    "ceipt",
    "eilmnpst",
    "aei",
];

/// The same as bits.
static PAIRS: [u32; 26] = pairs();

const fn pairs() -> [u32; 26] {
    let mut bits = [0; 26];
    let mut first = 0;
    while first < 26 {
        let followers = FOLLOWERS[first].as_bytes();
        let mut at = 0;
        while at < followers.len() {
            bits[first] |= 1 << (followers[at] - b'a');
            at += 1;
        }
        first += 1;
    }
    bits
}

/// What a value is made of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) struct Chance {
    /// Letters and digits in no word.
    noise: usize,
    letters: usize,
    digits: usize,
    others: usize,
    /// Runs of letters that are words of three and more letters.
    words: usize,
}

impl AddAssign for Chance {
    fn add_assign(&mut self, other: Self) {
        self.noise += other.noise;
        self.letters += other.letters;
        self.digits += other.digits;
        self.others += other.others;
        self.words += other.words;
    }
}

impl Chance {
    pub(in crate::redact) fn of(value: &str) -> Self {
        let mut chance = Self::default();
        let mut rest = value.as_bytes();
        let mut after_word = false;
        let mut at_start = true;
        while let Some(&first) = rest.first() {
            let run = run_len(rest);
            let ends = rest.get(run).is_none_or(|b| !b.is_ascii_alphanumeric());
            let piece = &rest[..run];
            if first.is_ascii_alphabetic() {
                let is_word = is_word(piece, at_start && ends);
                chance += Self {
                    letters: run,
                    noise: if is_word { 0 } else { run },
                    words: usize::from(is_word && run > 2),
                    ..Self::default()
                };
                after_word = is_word && run > 2;
            } else if first.is_ascii_digit() {
                // A number of its own, or one at the end of a word.
                let is_number = run <= 4 && ends && (at_start || after_word);
                chance += Self {
                    digits: run,
                    noise: if is_number { 0 } else { run },
                    ..Self::default()
                };
                after_word = false;
            } else {
                chance.others += run;
                after_word = false;
            }
            at_start = !first.is_ascii_alphanumeric();
            rest = &rest[run..];
        }
        chance
    }

    /// As chance makes it: at least eight letters and digits, most of them in no word.
    pub(in crate::redact) fn is_random(self) -> bool {
        let size = self.letters + self.digits;
        size >= 8 && (self.noise * 2 >= size || self.noise >= 14) && self.letters > 0
    }

    pub(in crate::redact) fn is_random_with_digits(self) -> bool {
        self.is_random() && self.digits > 0
    }

    pub(super) fn has_letters_and_digits(self) -> bool {
        self.letters > 0 && self.digits > 0
    }

    /// Letters alone.
    pub(super) fn is_letters(self) -> bool {
        self.digits == 0 && self.others == 0
    }

    pub(super) fn is_number(self) -> bool {
        self.letters == 0 && self.digits > 0
    }

    pub(super) fn noise(self) -> usize {
        self.noise
    }

    pub(super) fn digits(self) -> usize {
        self.digits
    }

    pub(super) fn letters(self) -> usize {
        self.letters
    }
}

/// The length of what belongs together at the beginning: capitals, a word with or without a capital, digits, all else.
pub(super) fn run_len(bytes: &[u8]) -> usize {
    let count = |is: fn(&u8) -> bool, from: usize| {
        let rest = &bytes[from..];
        rest.iter().position(|b| !is(b)).unwrap_or(rest.len())
    };
    match bytes {
        [] => 0,
        [first, ..] if first.is_ascii_digit() => count(u8::is_ascii_digit, 0),
        [first, ..] if first.is_ascii_lowercase() => count(u8::is_ascii_lowercase, 0),
        [first, ..] if first.is_ascii_uppercase() => {
            let capitals = count(u8::is_ascii_uppercase, 0);
            let small = count(u8::is_ascii_lowercase, capitals);
            match (capitals, small) {
                (_, 0) => capitals,
                (1, _) => 1 + small,
                // `HTTPServer`: the last capital begins the next word.
                _ => capitals - 1,
            }
        }
        _ => count(|b| !b.is_ascii_alphanumeric(), 0),
    }
}

/// Whether letters look like a word. Two letters are one if nothing is written together with them.
fn is_word(run: &[u8], is_alone: bool) -> bool {
    const MIN_COMMON_PERCENT: usize = 75;
    match run.len() {
        0..=2 => is_alone,
        len => {
            let lower = |b: u8| usize::from(b.to_ascii_lowercase() - b'a');
            let common = |pair: &[u8]| PAIRS[lower(pair[0])] & 1 << lower(pair[1]) != 0;
            let common = run.windows(2).filter(|pair| common(pair)).count();
            let has_vowel = run.iter().any(|b| b"aeiouyAEIOUY".contains(b));
            let is_known = || std::str::from_utf8(run).is_ok_and(|run| ORDINARY.has(run));
            (has_vowel && common * 100 >= (len - 1) * MIN_COMMON_PERCENT) || is_known()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_chance_and_chance_is_no_word() {
        for words in [
            "dataProcessingServiceEndpoint",
            "my-app-secret-name-2024",
            "HTTPServer2",
            "SOME_LONG_CONSTANT_NAME",
            "current-password",
            "correct horse battery staple",
            "spring.datasource.hikari",
            "2024-05-01",
        ] {
            assert!(!Chance::of(words).is_random(), "{words}");
        }
        for chance in [
            "aB3dE5gH7jK9",
            "k3yW1thN0F0rm",
            "9f86d081884c7d65",
            "xkqzvbnrtwpl",
            "S3cr3tP4ssw0rd",
            "7fX-2kQ_9zL+4w",
        ] {
            assert!(Chance::of(chance).is_random(), "{chance}");
        }
    }
}
