//! The output of the demos: numbered titles, received text, and claims that must hold.

use std::io::Write;

use shim_render::text::printable;

use crate::error::CliError;

/// The title of the next part.
pub(super) fn title(out: &mut dyn Write, number: u32, text: &str) -> Result<(), CliError> {
    writeln!(out)?;
    writeln!(out, "{number}. {text}")?;
    Ok(out.flush()?)
}

/// Text that was received, marked as such.
pub(super) fn quote(out: &mut dyn Write, text: &str) -> Result<(), CliError> {
    for line in printable(text).lines() {
        writeln!(out, "   | {line}")?;
    }
    Ok(out.flush()?)
}

/// Ends the demo if a claim does not hold.
pub(super) fn ensure(claim: bool, what: &str) -> Result<(), CliError> {
    if claim {
        Ok(())
    } else {
        Err(CliError::new(format!("this did not hold: {what}")))
    }
}
