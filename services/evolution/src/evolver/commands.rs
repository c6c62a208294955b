//! git and other programs, run to their end.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use shim_exec::{Launch, first_line, inherited_env};
use shim_runtime::git;
use tokio_util::sync::CancellationToken;

use super::repository::ANSWERS_WITHIN;
use crate::error::EvolutionError;
use crate::programs::{Bounds, Finished, run_to_end};
use crate::test_runs::TestRuns;

const MAX_OUTPUT: usize = 4 << 20;
const GIT_TIMEOUT: Duration = Duration::from_secs(300);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_millis(500);
/// Settings that would change bytes on their way.
const SETTINGS: [&str; 4] = ["-c", "core.autocrlf=false", "-c", "core.safecrlf=false"];
/// Variables that configure git as a whole.
const GIT_VARIABLES: [&str; 4] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "XDG_CONFIG_HOME",
];

/// Runs a program until it ends, its time is up or `cancel` is set.
pub(super) async fn run(
    runs: &TestRuns,
    launch: Launch,
    timeout: Duration,
    cancel: &CancellationToken,
) -> std::io::Result<Finished> {
    let bounds = Bounds {
        timeout,
        grace: GRACE,
        output: MAX_OUTPUT,
    };
    run_to_end(launch, bounds, runs.groups(), runs.artifacts(), cancel).await
}

/// Runs git in a folder and answers what it printed.
///
/// # Errors
/// If git cannot be run, fails, or the disk is full.
pub(super) async fn git(
    runs: &TestRuns,
    folder: &Path,
    args: &[&str],
    cancel: &CancellationToken,
) -> Result<String, EvolutionError> {
    let finished = try_git(runs, folder, args, cancel).await?;
    if finished.is_success() {
        return Ok(finished.stdout);
    }
    Err(failure(args, &finished))
}

/// Runs git in a folder, whatever it answers.
///
/// # Errors
/// If git cannot be run, is killed, or the call is cancelled.
pub(super) async fn try_git(
    runs: &TestRuns,
    folder: &Path,
    args: &[&str],
    cancel: &CancellationToken,
) -> Result<Finished, EvolutionError> {
    let file = shim_exec::find_program(Path::new("git")).map_err(|why| EvolutionError::Git {
        doing: "git".to_owned(),
        why,
    })?;
    let env = environment(folder, cancel).await?;
    let args_of_git = SETTINGS.iter().chain(args).map(|&arg| arg.to_owned());
    let launch = Launch {
        file,
        args: args_of_git.collect(),
        folder: folder.to_path_buf(),
        env,
        work_id: uuid::Uuid::now_v7().to_string(),
    };
    let finished = run(runs, launch, GIT_TIMEOUT, cancel).await;
    if cancel.is_cancelled() {
        return Err(EvolutionError::Cancelled);
    }
    let broken = |why| EvolutionError::Git {
        doing: format!("git {}", args.first().unwrap_or(&"")),
        why,
    };
    let finished = finished.map_err(|why| broken(why.to_string()))?;
    // What a killed git printed is no answer.
    match finished.ended_by() {
        Some(how) => Err(broken(how)),
        None => Ok(finished),
    }
}

/// Asks git something that changes nothing, whatever it answers: a git that was killed is asked once more.
///
/// # Errors
/// As [`try_git`].
pub(super) async fn ask_git(
    runs: &TestRuns,
    folder: &Path,
    args: &[&str],
    cancel: &CancellationToken,
) -> Result<Finished, EvolutionError> {
    match try_git(runs, folder, args, cancel).await {
        Err(EvolutionError::Git { .. }) => try_git(runs, folder, args, cancel).await,
        said => said,
    }
}

/// The environment of git in a folder: it asks nobody, and runs no program that the repository names.
///
/// # Errors
/// If git does not say in time what the repository names, or the call is cancelled.
async fn environment(
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Vec<(OsString, OsString)>, EvolutionError> {
    let place = folder.to_path_buf();
    // It may ask git, which takes its time: not on a thread of the runtime.
    let asking = tokio::task::spawn_blocking(move || git::without_drivers(&place, ANSWERS_WITHIN));
    let asked = tokio::select! {
        asked = asking => asked.map_err(|_| EvolutionError::Stopping)?,
        () = cancel.cancelled() => return Err(EvolutionError::Cancelled),
    };
    let harmless = asked.map_err(|why| EvolutionError::Git {
        doing: "git config".to_owned(),
        why: match why.kind() {
            ErrorKind::TimedOut => {
                format!("it did not answer within {} s", ANSWERS_WITHIN.as_secs())
            }
            _ => why.to_string(),
        },
    })?;
    let fixed = [("GIT_LFS_SKIP_SMUDGE", "1"), ("LC_ALL", "C")];
    let own = fixed.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Ok(inherited_env(GIT_VARIABLES)
        .chain(own)
        .chain(harmless)
        .collect())
}

/// What a failed run of git means.
pub(super) fn failure(args: &[&str], finished: &Finished) -> EvolutionError {
    let said = if finished.stderr.trim().is_empty() {
        &finished.stdout
    } else {
        &finished.stderr
    };
    let reason = said
        .lines()
        .find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let why = first_line(reason.unwrap_or(said.trim()), 300);
    if said.contains("No space left on device") {
        return EvolutionError::DiskFull(why);
    }
    EvolutionError::Git {
        doing: format!("git {}", args.first().unwrap_or(&"")),
        why,
    }
}
