//! `shim sessions restore-backup`: a backup in the place of the database, while nothing uses the data folder.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use shim_render::figures::{bytes, count};

use crate::config::Config;
use crate::error::CliError;
use crate::global_flags::absolute;
use crate::hold::HeldFolder;

/// What to go back to.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The stack is stopped meanwhile, and gateways wait. The database from before is kept beside the new one; \
what was saved after the backup is only there."
)]
pub(crate) struct Args {
    /// The file that `shim sessions backup` wrote
    file: PathBuf,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let file = absolute(&args.file);
    if let Some(endpoint) = &config.runtime.endpoints.checkpoint {
        return Err(CliError::usage(format!(
            "the sessions are kept by {endpoint}, and a backup is restored where its database is"
        ))
        .hint("run this on that machine, with its --data-dir and without endpoints.checkpoint"));
    }
    // The stack is not stopped for a file that is not there.
    let size = std::fs::metadata(&file)
        .map_err(|e| CliError::from(e).while_doing(format_args!("cannot read {}", file.display())))?
        .len();
    let folder = HeldFolder::take(config, "a backup is being restored", out).await?;
    let restored = shim_checkpoint::restore_backup(config.data_dir(), &file);
    let missing = shim_checkpoint::missing_numbers(config.data_dir());
    folder.release(config, out).await?;
    let kept = restored.map_err(|e| {
        CliError::new(e.to_string()).hint("choose a file that `shim sessions backup FILE` wrote")
    })?;
    writeln!(out, "restored {} from {}", bytes(size), file.display())?;
    if let Some(kept) = kept {
        writeln!(out, "the database from before: {}", kept.display())?;
    }
    match missing {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => {
            let sessions = count(missing.len() as u64, "session");
            writeln!(
                out,
                "checkpoints of {sessions} are missing in the backup: `shim sessions verify` names them"
            )?;
        }
        Err(why) => writeln!(out, "the backup could not be looked through: {why}")?,
    }
    Ok(ExitCode::SUCCESS)
}
