//! `shim sessions restore-backup`: a backup in the place of the databases, while nothing uses the data folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shim_checkpoint::{MissingNumbers, RestoreError};
use shim_render::figures::{bytes, count};

use crate::config::Config;
use crate::error::CliError;
use crate::global_flags::absolute;
use crate::hold::HeldFolder;
use crate::sessions::backup::evolutions_beside;

/// What to go back to.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The backup is checked first. Then the stack is stopped, and gateways wait. The database from before is kept beside the new one; \
what was saved after the backup is only there. The evolutions of the backup are in FILE.evolutions, if that is there."
)]
pub(crate) struct Args {
    /// The file that `shim sessions backup` wrote
    file: PathBuf,
}

fn refused(error: &RestoreError) -> CliError {
    let failure = CliError::new(format!("{error}; the database is as it was"));
    match error {
        RestoreError::Open(_) | RestoreError::Io(_) => failure,
        RestoreError::NoBackup(_) | RestoreError::Unusable { .. } => {
            failure.hint("choose a file that `shim sessions backup FILE` wrote")
        }
    }
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
    // The stack is not stopped for a file that cannot take the place of its database.
    let incoming = shim_checkpoint::take_in_backup(config.data_dir(), &file)
        .map_err(|error| refused(&error))?;
    let beside = evolutions_beside(&file);
    let evolutions = take_in_evolutions(config, &beside)?;
    let size = std::fs::metadata(&file)?.len();
    let folder = HeldFolder::take(config, "a backup is being restored", out).await?;
    let restored = incoming.put_in_place();
    let evolutions = evolutions.map(shim_evolution::Incoming::put_in_place);
    let missing = shim_checkpoint::missing_numbers(config.data_dir());
    folder.release(config, out).await?;
    let kept = restored.map_err(|error| refused(&error))?;
    writeln!(out, "restored {} from {}", bytes(size), file.display())?;
    if let Some(kept) = kept {
        writeln!(out, "the database from before: {}", kept.display())?;
    }
    tell_evolutions(evolutions.transpose(), &beside, out)?;
    tell_missing(missing, out)?;
    Ok(ExitCode::SUCCESS)
}

/// The evolutions beside a backup, checked; none if there are none.
fn take_in_evolutions(
    config: &Config,
    beside: &Path,
) -> Result<Option<shim_evolution::Incoming>, CliError> {
    if !beside.exists() {
        return Ok(None);
    }
    let taken = shim_evolution::take_in_backup(config.data_dir(), beside);
    taken.map(Some).map_err(|error| refused(&error))
}

fn tell_evolutions(
    restored: Result<Option<Option<PathBuf>>, RestoreError>,
    beside: &Path,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let Some(kept) = restored.map_err(|error| refused(&error))? else {
        return Ok(());
    };
    writeln!(out, "restored the evolutions from {}", beside.display())?;
    if let Some(kept) = kept {
        writeln!(
            out,
            "the database of evolutions from before: {}",
            kept.display()
        )?;
    }
    Ok(())
}

fn tell_missing(
    missing: Result<Vec<MissingNumbers>, String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
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
    Ok(())
}
