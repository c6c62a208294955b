//! The program's standard output, on which no text of others begins a line.
//!
//! (A) One `write!` or `writeln!` makes one line: ends of lines and whatever else is hidden in the values it is given
//! are shown as escapes. (B) What is written as bytes goes through as it is: JSON of [`super::json`], frames of
//! [`super::screen`], and what a command was asked to write as it is.

use std::fmt::{self, Display};
use std::io::{self, Write};

use shim_render::text;

/// Lines for a person, over another writer.
#[derive(Debug)]
pub(crate) struct Lines<W>(W);

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn write_fmt(&mut self, line: fmt::Arguments<'_>) -> io::Result<()> {
        let line = line.to_string();
        let (line, end) = line
            .strip_suffix('\n')
            .map_or((line.as_str(), ""), |line| (line, "\n"));
        self.0.write_all(text::line(line).as_bytes())?;
        self.0.write_all(end.as_bytes())
    }
}

/// Prints text of ours that has several lines, each made by us.
pub(crate) fn block(out: &mut dyn Write, lines: impl Display) -> io::Result<()> {
    let lines = lines.to_string();
    lines.lines().try_for_each(|line| writeln!(out, "{line}"))
}

/// Writes a text as it was given, because that was asked for, and ends its last line.
pub(crate) fn raw(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn a_value_cannot_begin_a_line() {
        let mut out = Lines::new(Vec::new());
        let behind: &mut dyn Write = &mut out;
        let (value, ended) = ("a\nerror: b\u{2028}c\u{9b}2J\u{202e}", "d\n");
        writeln!(behind, "{value} is free").unwrap();
        write!(behind, "{ended}").unwrap();
        writeln!(behind).unwrap();
        block(behind, "one\ntwo\n").unwrap();
        let expected = "a\\nerror: b\\u{2028}c\\u{9b}2J\\u{202e} is free\nd\n\none\ntwo\n";
        assert_eq!(String::from_utf8(out.0).unwrap(), expected);
    }

    /// Nothing else of the command line writes to a terminal.
    #[test]
    fn only_the_output_modules_write_bytes() {
        let mut faults = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                let is_test = name == "samples.rs" || name.ends_with("tests.rs");
                if !name.ends_with(".rs") || name.starts_with("output/") || is_test {
                    continue;
                }
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                for (number, line) in source.lines().enumerate() {
                    let line = line.trim_start();
                    let is_comment = line.starts_with("//");
                    let writes = [
                        "println!(",
                        "eprint!(",
                        "print!(",
                        "out.write_all(",
                        "to_writer",
                    ];
                    if !is_comment && writes.iter().any(|call| line.contains(call)) {
                        faults.push(format!("{name}:{}: {line}", number + 1));
                    }
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
