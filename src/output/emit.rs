//! The two faces of an answer: canonical proto JSON for programs, text for people.

use std::io::{self, Write};
use std::process::ExitCode;

use super::json::{self, Named};
use crate::error::CliError;

/// Prints an answer, as one line of JSON or by `print`, and yields success.
///
/// # Errors
/// If the output is closed.
pub(crate) fn emit<M: Named>(
    as_json: bool,
    answer: &M,
    out: &mut dyn Write,
    print: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<ExitCode, CliError> {
    if as_json {
        json::write_line(out, answer)?;
    } else {
        print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}
