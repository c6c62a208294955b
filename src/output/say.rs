//! Notes on stderr beside what a command prints. A stderr that cannot be written, as on a full disk, ends no command.

use std::fmt::Display;
use std::io::Write;

/// One line.
pub(crate) fn line(text: impl Display) {
    part(format_args!("{text}\n"));
}

/// A part of a line, as it is.
pub(crate) fn part(text: impl Display) {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
