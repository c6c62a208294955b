//! The history of a project's files, from one `git log`.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shim_exec::{Groups, find_program};
use shim_runtime::git;
use tokio_util::sync::CancellationToken;

use super::programs::{Program, ProgramError};
use crate::domain::analysis::history::{self, FORMAT, History};

/// How far back it looks.
const WINDOW: &str = "12 months ago";
/// The most commits that are read.
const MAX_COMMITS: &str = "--max-count=20000";
const LIMIT: Duration = Duration::from_secs(60);

/// Reads the history of the files below `root`, which may be a subfolder of its repository. Nothing of the project runs for it:
/// no hook, pager, filter or driver of its configuration.
///
/// # Errors
/// With the reason why there is none.
pub(super) async fn history(
    root: &Path,
    groups: &Arc<Groups>,
    cancel: &CancellationToken,
) -> Result<History, ProgramError> {
    let start = |why: String| ProgramError::Start("git".to_owned(), std::io::Error::other(why));
    let program = Program {
        file: find_program(Path::new("git")).map_err(start)?,
        args: arguments(),
        folder: root.to_path_buf(),
        env: environment(),
        limit: LIMIT,
    };
    let finished = program.run(groups, &[], cancel).await?;
    if !finished.status.success() {
        let why = finished.stderr.lines().next().unwrap_or("git failed");
        return Err(ProgramError::Failed("git".to_owned(), why.to_owned()));
    }
    Ok(history::read(&finished.stdout))
}

fn arguments() -> Vec<String> {
    let fixed = [
        "--no-pager",
        "-c",
        "core.attributesFile=/dev/null",
        "-c",
        "log.follow=false",
        "-c",
        "diff.orderFile=/dev/null",
        "log",
        "-z",
        "--numstat",
        "--find-renames",
        "--relative",
        "--no-merges",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-show-signature",
        "--ignore-submodules=all",
        MAX_COMMITS,
    ];
    let fixed = fixed.into_iter().map(str::to_owned);
    fixed
        .chain([
            format!("--since={WINDOW}"),
            FORMAT.to_owned(),
            "--".to_owned(),
            ".".to_owned(),
        ])
        .collect()
}

/// A log looks at commits alone, so no driver of the repository has a part in it.
fn environment() -> Vec<(OsString, OsString)> {
    let own = [("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C")];
    let own = own.map(|(name, value)| (name.into(), value.into()));
    git::variables().into_iter().chain(own).collect()
}
