//! What a terminal shows, as plain text: good enough to find a word, not to find its place.

/// The text without its escape sequences and spaces. Programs that draw write words in pieces and move over the gaps, so
/// spaces tell nothing.
pub(super) fn plain(shown: &str) -> String {
    let mut plain = String::new();
    let mut rest = shown.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut rest),
            c if c.is_whitespace() || c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// A control sequence ends with a letter or one of `@` to `~`, a command of the system with BEL or ESC.
fn skip_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => {
            for c in rest.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            for c in rest.by_ref() {
                if c == '\u{7}' || c == '\u{1b}' {
                    break;
                }
            }
        }
        Some('(' | ')') => drop(rest.next()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_left_and_nothing_else() {
        let shown =
            "\u{1b}[2J\u{1b}[1;31mhello\u{1b}[5Cthere\u{1b}]0;title\u{7}\r\n\u{1b}(B❯ x\u{1b}>";
        assert_eq!(plain(shown), "hellothere❯x");
    }
}
