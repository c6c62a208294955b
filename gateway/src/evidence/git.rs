//! The commit and the branch a project stands on, read from the repository's files or asked of the git command.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use shim_proto::checkpoint::v1::GitState;
use shim_runtime::git;
use tokio::process::Command;

use super::repository::{self, Seen};
use super::work_tree;

/// git answers in milliseconds unless its disk hangs.
const GIT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The contract's limit.
const MAX_BRANCH_BYTES: usize = 500;

/// Where the repository around `folder` stands, and what of its work tree is not committed; `None` without one, without
/// git, or with nothing committed yet. git is asked for what the files alone do not tell.
pub async fn inspect(folder: Option<&Path>) -> Option<GitState> {
    let folder = folder?;
    let Seen {
        id: repository,
        head,
        work_tree,
        question,
    } = look(folder).await;
    let head = async {
        match head {
            Some(head) => Some(state(&head.commit, &head.branch)),
            None => inspect_head(folder).await,
        }
    };
    let work_tree = async {
        match work_tree {
            Some(work_tree) => Some(work_tree),
            None => work_tree::inspect(folder, question).await,
        }
    };
    let (git, work_tree) = tokio::join!(head, work_tree);
    Some(GitState {
        work_tree,
        repository,
        ..git?
    })
}

/// Nothing if the disk does not answer in time.
async fn look(folder: &Path) -> Seen {
    let folder = folder.to_path_buf();
    let look = tokio::task::spawn_blocking(move || repository::look(&folder));
    match tokio::time::timeout(GIT_TIMEOUT, look).await {
        Ok(Ok(seen)) => seen,
        _ => Seen::default(),
    }
}

/// What tells the repository's folder around `folder` from another at the same path; empty without one, or if the disk does
/// not answer in time.
pub(super) async fn repository(folder: &Path) -> String {
    let folder = folder.to_path_buf();
    let look = tokio::task::spawn_blocking(move || repository::id(&folder));
    let found = tokio::time::timeout(GIT_TIMEOUT, look).await;
    found.ok().and_then(Result::ok).unwrap_or_default()
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
    Some(state(head, branch))
}

fn state(head: &str, branch: &str) -> GitState {
    GitState {
        head: head.to_owned(),
        branch: branch[..branch.floor_char_boundary(MAX_BRANCH_BYTES)].to_owned(),
        ..GitState::default()
    }
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
