//! `shim sessions backup`: a consistent copy of the database, whether or not the service uses it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_render::figures::bytes;

use crate::config::Config;
use crate::error::CliError;
use crate::output::say;

/// Where to copy to.
#[derive(Debug, clap::Args)]
#[command(after_help = "To go back to a backup: `shim sessions restore-backup FILE`.")]
pub(crate) struct Args {
    /// The new file; it must not exist yet
    file: PathBuf,
}

pub(super) fn run(args: &Args, config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let shown = std::io::stderr().is_terminal();
    let progress = |copied: u64, all: u64| {
        if shown && all > 0 {
            say::part(format_args!("\r{:3} %", copied * 100 / all));
        }
    };
    let copied = shim_checkpoint::backup(
        &shim_checkpoint::database_path(config.data_dir()),
        &args.file,
        progress,
    );
    if shown {
        say::part(format_args!("\r     \r"));
    }
    let size = copied.map_err(|e| CliError::new(e.to_string()))?;
    writeln!(out, "backed up {} to {}", bytes(size), args.file.display())?;
    Ok(ExitCode::SUCCESS)
}
