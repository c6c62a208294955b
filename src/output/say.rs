//! Notes on stderr beside what a command prints. A stderr that cannot be written, as on a full disk, ends no command.

use std::fmt::Display;
use std::io::Write;

use shim_render::text;

/// One line.
pub(crate) fn line(text: impl Display) {
    write(format_args!("{}\n", text::line(&text.to_string())));
}

/// A part of a line; a carriage return of ours begins it again.
pub(crate) fn part(text: impl Display) {
    let text = text.to_string();
    let parts: Vec<_> = text.split('\r').map(text::line).collect();
    write(format_args!("{}", parts.join("\r")));
}

fn write(text: impl Display) {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
