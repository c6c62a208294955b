//! Values that are words of a line: behind a flag, in files of a shell, in sentences.

use super::cursor::{byte, skip_blanks, starts_with};
use super::name::Strength;
use super::sites::Site;
use super::value::{Found, Style, bare, quoted, wrapped_quote};

impl Site<'_> {
    /// Whether the name begins its line, as in files of a shell.
    pub(super) fn is_line(&self) -> bool {
        const BEFORE: [&str; 20] = [
            "",
            "export",
            "set",
            "env",
            "arg",
            "-",
            "-e",
            "--env",
            "declare",
            "local",
            "readonly",
            "typeset",
            "+",
            "#",
            "-x",
            "$",
            "run",
            "--build-arg",
            "config:set",
            "--from-literal",
        ];
        let bytes = self.bytes();
        let name_end = bytes.get(self.name.clone()).unwrap_or_default();
        let is_shouted = name_end
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
        let line = self.text.get(self.line.clone()).unwrap_or_default();
        let line = line.trim_end_matches(['"', '\'', '\\']).trim_end();
        let last = line
            .rsplit([' ', '\t', ';', '=', ':'])
            .next()
            .unwrap_or_default();
        is_shouted
            || line.trim().is_empty()
            || BEFORE.iter().any(|it| it.eq_ignore_ascii_case(last))
    }

    /// `--password X`, `ENV API_KEY X`, `password 'X'`, `the password is X`.
    pub(super) fn next_word(&self, strength: Strength, at: usize, found: &mut Vec<Found>) {
        let bytes = self.bytes();
        let before = byte(bytes, self.name.start.wrapping_sub(1));
        let is_flag = byte(bytes, self.name.start) == b'-' || before == b'-' || before == b'/';
        let style = if is_flag || self.is_directive() {
            Style::Word
        } else {
            Style::Prose
        };
        let mut at = at;
        if style == Style::Prose {
            at = behind_verb(bytes, at);
        }
        if let Some((quote, is_wrapped)) = wrapped_quote(bytes, at) {
            if !is_wrapped {
                let style = if is_flag {
                    Style::Quoted
                } else {
                    Style::Argument
                };
                self.judge(strength, quoted(bytes, quote), style, found);
            }
            return;
        }
        let mut range = bare(bytes, at, Style::Word);
        if style == Style::Prose && range.len() < 8 {
            // Short words of a sentence are words.
            let is_said =
                byte(bytes, at.wrapping_sub(2)) != 0 && at > skip_blanks(bytes, self.name.end);
            if !is_said || strength < Strength::Password {
                return;
            }
        }
        let last = byte(bytes, range.end.wrapping_sub(1));
        // The stop that ends a sentence is no part of a password.
        if style == Style::Prose && matches!(last, b'.' | b',' | b':') && range.len() > 1 {
            range.end -= 1;
        }
        self.judge(strength, range, style, found);
    }

    /// Whether the line is of a file or a command whose names and values have blanks between.
    pub(super) fn is_directive(&self) -> bool {
        const BEGINNINGS: [&str; 14] = [
            "env ",
            "setenv ",
            "setx ",
            "set -x ",
            "set -gx ",
            "set -ux ",
            "machine ",
            "login ",
            "default login",
            "aws configure set ",
            "git config ",
            "npm config set ",
            "pulumi config set ",
            "fly secrets set ",
        ];
        let line = self.text.get(self.line.clone()).unwrap_or_default();
        let line = line.trim_start_matches(['$', '>', '#', ' ', '\t']);
        let starts = |beginning: &&str| {
            line.get(..beginning.len())
                .is_some_and(|it| it.eq_ignore_ascii_case(beginning))
        };
        let is_config = line.is_empty()
            && ["requirepass", "masterauth", "password", "pass"]
                .iter()
                .any(|directive| {
                    self.text
                        .get(self.name.clone())
                        .is_some_and(|name| name == *directive)
                });
        is_config || BEGINNINGS.iter().any(starts) || line.contains(" login ")
    }
}

/// The place behind `is`, `was`, `to`, `of`, `=`, in a sentence.
fn behind_verb(bytes: &[u8], at: usize) -> usize {
    for verb in [
        "is ", "was ", "is: ", "to ", "set to ", "equals ", "are ", "as ",
    ] {
        if starts_with(bytes, at, verb.as_bytes()) {
            return skip_blanks(bytes, at + verb.len());
        }
    }
    at
}
