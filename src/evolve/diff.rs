//! Unified diffs on a terminal: colours repeat what `+` and `-` say. Elsewhere the diff is written as it is, so that
//! `git apply` takes it; there its lines begin with what the format gives them, never with what a file holds.

use std::io::{self, IsTerminal, Write};

use shim_proto::evolution::v1::Evolution;

use crate::output::lines::{block, raw};
use crate::output::screen;
use crate::output::style::{Line, Style};

/// Prints the diffs of an evolution.
pub(super) fn print(evolution: &Evolution, out: &mut dyn Write) -> io::Result<()> {
    let is_terminal = io::stdout().is_terminal();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    for file in &evolution.files {
        if !is_terminal {
            raw(out, file.diff.trim_end_matches('\n'))?;
        } else if colours {
            let mut drawn = String::new();
            for line in file.diff.lines() {
                drawn += &coloured(line).render(usize::MAX, true);
                drawn.push('\n');
            }
            screen::show(drawn.as_bytes(), out)?;
        } else {
            block(out, &file.diff)?;
        }
    }
    Ok(())
}

fn coloured(line: &str) -> Line {
    let style = if line.starts_with("+++") || line.starts_with("---") {
        Style::Bold
    } else if line.starts_with('+') {
        Style::Green
    } else if line.starts_with('-') {
        Style::Red
    } else if line.starts_with("@@") {
        Style::Cyan
    } else {
        Style::Plain
    };
    Line::default().with(style, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_repeat_what_the_first_character_says() {
        let shown = |line: &str| coloured(line).render(usize::MAX, true);
        assert_eq!(shown("+a"), "\x1b[32m+a\x1b[0m");
        assert_eq!(shown("-\x1b[2Ja\r"), "\x1b[31m-\\u{1b}[2Ja\\r\x1b[0m");
        assert_eq!(shown(" a"), " a");
        assert_eq!(shown("@@ -1 +1 @@"), "\x1b[36m@@ -1 +1 @@\x1b[0m");
    }
}
