//! The commit and the branch a project stands on, asked of the git command.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shim_proto::checkpoint::v1::GitState;
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
    let (git, work_tree) = tokio::join!(inspect_head(folder), work_tree::inspect(folder));
    Some(GitState { work_tree, ..git? })
}

async fn inspect_head(folder: &Path) -> Option<GitState> {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(["rev-parse", "HEAD", "--abbrev-ref", "HEAD"])
        // A look must not refresh the index of a repository that is in use.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(GIT_TIMEOUT, command.output())
        .await
        .ok()?
        .ok()?;
    if !output.status.success() {
        return None;
    }
    parse(&String::from_utf8_lossy(&output.stdout))
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
        work_tree: None,
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
