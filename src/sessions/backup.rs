//! `shim sessions backup`: consistent copies of the databases, whether or not the services use them.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shim_render::figures::bytes;

use crate::config::Config;
use crate::error::CliError;
use crate::output::say;

/// Where to copy to.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What evolutions are and became goes to FILE.evolutions beside it. To go back to a backup: `shim sessions restore-backup FILE`."
)]
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
    let evolutions = shim_evolution::database_path(config.data_dir());
    let beside = evolutions_beside(&args.file);
    if !args.file.exists() && evolutions.exists() && beside.exists() {
        let shown = beside.display();
        return Err(CliError::new(format!(
            "{shown} exists already; choose another name"
        )));
    }
    let sessions = shim_checkpoint::database_path(config.data_dir());
    let mut copied = shim_checkpoint::backup(&sessions, &args.file, progress);
    if let (Ok(size), true) = (&mut copied, evolutions.exists()) {
        match shim_evolution::backup(&evolutions, &beside, |_, _| {}) {
            Ok(more) => *size += more,
            Err(error) => copied = Err(error),
        }
    }
    if shown {
        say::part(format_args!("\r     \r"));
    }
    let size = copied.map_err(|e| CliError::new(e.to_string()))?;
    writeln!(out, "backed up {} to {}", bytes(size), args.file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Where the evolutions of a backup are.
pub(super) fn evolutions_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".evolutions");
    PathBuf::from(name)
}
