//! Lines of a name and a value, the values below each other.

use std::fmt::Display;
use std::io::{self, Write};

use shim_render::hidden::ends_line;
use shim_render::text::{one_line, quoted};

/// Prints the fields of one thing.
pub(crate) struct Fields<'a> {
    out: &'a mut dyn Write,
    /// Columns of a name.
    width: usize,
}

impl<'a> Fields<'a> {
    /// Fields whose names have at most `width` characters.
    pub(crate) fn new(width: usize, out: &'a mut dyn Write) -> Self {
        Self { out, width }
    }

    /// A value of ours.
    pub(crate) fn line(&mut self, name: &str, value: impl Display) -> io::Result<()> {
        writeln!(self.out, "{name:<width$} {value}", width = self.width)
    }

    /// Foreign text, in one line of at most `max` characters.
    pub(crate) fn text(&mut self, name: &str, text: &str, max: usize) -> io::Result<()> {
        self.line(name, one_line(text, max))
    }

    /// Foreign text in one line; no line if the text is empty.
    pub(crate) fn optional(&mut self, name: &str, text: &str, max: usize) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.text(name, text, max)
    }

    /// Foreign text; if it has several lines each is set off, the later ones below the first.
    pub(crate) fn paragraph(&mut self, name: &str, text: &str) -> io::Result<()> {
        let text = text.trim_end();
        if !text.contains(ends_line) {
            return self.line(name, text);
        }
        let mut name = name;
        for line in quoted(text, "").lines() {
            self.line(name, line)?;
            name = "";
        }
        Ok(())
    }
}
