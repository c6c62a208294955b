//! One file, from its opening to its last line.

use std::path::Path;
use std::time::SystemTime;

use shim_runtime::data_dir::open_named;

use super::error::ReadError;
use super::limits::Limits;
use super::lines::{Part, read_parts};
use super::reader::Reader;

/// Reads a file.
///
/// # Errors
/// If it cannot be opened or read.
pub(super) fn read_into(
    reader: &mut Reader,
    path: &Path,
    limits: &Limits,
) -> Result<(), ReadError> {
    let file = open_named(path)?;
    let written = file.metadata()?.modified();
    reader.written_at(written.unwrap_or(SystemTime::UNIX_EPOCH));
    read_parts(file, limits, &mut |part| match part {
        Part::Line(line) => reader.line(line),
        Part::TooLong => reader.skip_line(),
        Part::Cut => reader.cut(),
    })?;
    Ok(())
}
