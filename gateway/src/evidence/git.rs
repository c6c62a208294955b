//! The commit and the branch a project stands on, asked of the git command.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use shim_proto::checkpoint::v1::GitState;
use shim_runtime::git;
use tokio::process::Command;

use super::work_tree;

/// git answers in milliseconds unless its disk hangs.
const GIT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The contract's limit.
const MAX_BRANCH_BYTES: usize = 500;

/// Where the repository around `folder` stands, and what of its work tree is not committed; `None` without one, without
/// git, or with nothing committed yet.
pub async fn inspect(folder: Option<&Path>) -> Option<GitState> {
    let folder = folder?;
    let (git, work_tree, repository) = tokio::join!(
        inspect_head(folder),
        work_tree::inspect(folder),
        repository(folder)
    );
    Some(GitState {
        work_tree,
        repository,
        ..git?
    })
}

/// What tells the repository's folder around `folder` from another at the same path: the number and the birth of its
/// `.git`, which a rename leaves as they are. Empty without one, or if the disk does not answer in time.
pub(super) async fn repository(folder: &Path) -> String {
    let folder = folder.to_path_buf();
    let look = tokio::task::spawn_blocking(move || {
        let mut above = folder.ancestors();
        let found = above.find_map(|above| above.join(".git").symlink_metadata().ok())?;
        let born = found.created().ok();
        let born = born.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let born = born.map_or(0, |since| since.as_nanos());
        Some(format!("{:x}-{born:x}", found.ino()))
    });
    let found = tokio::time::timeout(GIT_TIMEOUT, look).await;
    found
        .ok()
        .and_then(Result::ok)
        .flatten()
        .unwrap_or_default()
}

async fn inspect_head(folder: &Path) -> Option<GitState> {
    let output = ask(folder, &["rev-parse", "HEAD", "--abbrev-ref", "HEAD"]).await?;
    if !output.status.success() {
        return None;
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Whether the repository around `folder` has this commit: then it is that of the checkpoint, or a copy of it. `None` if
/// git cannot tell.
pub(super) async fn has_commit(folder: &Path, head: &str) -> Option<bool> {
    let is_hex = head.len() >= 40 && head.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }
    let commit = format!("{head}^{{commit}}");
    let output = ask(folder, &["cat-file", "-e", &commit]).await?;
    Some(output.status.success())
}

/// What git says about a folder; `None` without git, or if it takes too long.
async fn ask(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::from(git::command(folder));
    command
        .args(arguments)
        .stderr(Stdio::null())
        .kill_on_drop(true);
    tokio::time::timeout(GIT_TIMEOUT, command.output())
        .await
        .ok()?
        .ok()
}

fn parse(answer: &str) -> Option<GitState> {
    let mut lines = answer.lines();
    let head = lines
        .next()
        .filter(|head| head.len() >= 40 && head.bytes().all(|b| b.is_ascii_hexdigit()))?;
    // A detached HEAD has no branch, and git prints "HEAD" for it.
    let branch = lines
        .next()
        .filter(|&branch| branch != "HEAD")
        .unwrap_or_default();
    let branch = &branch[..branch.floor_char_boundary(MAX_BRANCH_BYTES)];
    Some(GitState {
        head: head.to_owned(),
        branch: branch.to_owned(),
        ..GitState::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_detached_head_has_no_branch() {
        let head = "a".repeat(40);
        assert_eq!(parse(&format!("{head}\nmain\n")).unwrap().branch, "main");
        assert_eq!(parse(&format!("{head}\nHEAD\n")).unwrap().branch, "");
        assert_eq!(parse("fatal: no repository\n"), None);
    }

    #[tokio::test]
    async fn a_folder_without_a_repository_has_no_state() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(inspect(Some(folder.path())).await, None);
        assert_eq!(inspect(None).await, None);
    }
}
