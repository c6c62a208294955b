//! Frames on a terminal: every frame replaces the frame before.
//!
//! What was on the screen before the first frame stays, and so does the last frame.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::style::Line;

/// The size of a terminal that does not report one.
const WIDTH: usize = 80;
const HEIGHT: usize = 24;

/// A line longer than the terminal is cut instead of continued on the next row (DECAWM), so that a frame has exactly as
/// many rows as lines, whatever wide glyphs it holds.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Shows a frame that was made elsewhere, whose texts went through [`super::lines::Lines`].
pub(crate) fn show(frame: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(frame)?;
    out.flush()
}

/// The terminal behind the standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    colours: bool,
    /// Rows of the frame that is drawn.
    drawn: usize,
}

impl Screen {
    /// The terminal, if there is one that can be drawn on.
    pub(crate) fn of_stdout() -> Option<Self> {
        let term = std::env::var_os("TERM").unwrap_or_default();
        (io::stdout().is_terminal() && !term.is_empty() && term != "dumb").then(|| Self {
            // https://no-color.org
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            drawn: 0,
        })
    }

    /// How many rows a frame may have: one less than the terminal, for the cursor.
    pub(crate) fn rows(&self) -> usize {
        size().1.saturating_sub(1).max(1)
    }

    /// Draws a frame over the one before, cut to the size of the terminal.
    pub(crate) fn draw(&mut self, lines: &[Line], out: &mut dyn Write) -> io::Result<()> {
        let frame = self.frame(lines, size());
        show(frame.as_bytes(), out)
    }

    /// Written at once, so that the screen does not flicker.
    fn frame(&mut self, lines: &[Line], (width, height): (usize, usize)) -> String {
        let rows = lines.len().min(height.saturating_sub(1).max(1));
        let mut frame = NO_WRAP.to_owned();
        // A terminal that was made smaller has moved the rest out of reach.
        match self.drawn.min(height.saturating_sub(1)) {
            0 => {}
            up => frame += &format!("\x1b[{up}A\r"),
        }
        for line in &lines[..rows] {
            frame += &line.render(width, self.colours);
            frame += "\x1b[K\n";
        }
        frame += "\x1b[J";
        frame += WRAP;
        self.drawn = rows;
        frame
    }
}

/// Columns and rows.
fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (WIDTH, HEIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::style::Style;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| Line::default().with(Style::Plain, *text);
        texts.iter().map(line).collect()
    }

    #[test]
    fn a_frame_takes_the_place_of_the_one_before() {
        let mut screen = Screen {
            colours: false,
            drawn: 0,
        };
        let first = screen.frame(&lines(&["one", "two"]), (80, 24));
        assert_eq!(first, "\x1b[?7lone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[?7h");
        let second = screen.frame(&lines(&["three"]), (80, 24));
        assert_eq!(second, "\x1b[?7l\x1b[2A\rthree\x1b[K\n\x1b[J\x1b[?7h");
        assert_eq!(screen.drawn, 1);
    }

    #[test]
    fn a_frame_is_never_larger_than_the_terminal() {
        let mut screen = Screen {
            colours: false,
            drawn: 50,
        };
        let frame = screen.frame(&lines(&["a longer line", "b", "c"]), (8, 3));
        assert!(frame.contains("\x1b[2A") && frame.contains("a longe…\x1b[K\nb"));
        assert!(!frame.contains('c'));
    }
}
