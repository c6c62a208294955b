//! The files that are staged for the next commit.
//!
//! A hook runs with variables of its repository. Only the index is taken from them, and only if it is the repository's
//! that is asked about: `git commit --all` and `git commit FILE` make their commit from an index of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;

use shim_runtime::git;
use tokio::process::Command;

use crate::error::CliError;

/// Paths relative to the repository's root, with both names of a renamed file. `index` is the hook's index, if it has one.
pub(super) async fn paths(root: &Path, index: Option<&OsStr>) -> Result<Vec<String>, CliError> {
    let mut asked = git::command(root);
    asked.args(["rev-parse", "--absolute-git-dir"]);
    let answer = output(asked).await?;
    let git_dir = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim_end());
    let mut diff = git::command_of_hook(root, &git_dir, index);
    diff.args(["diff", "--cached", "--name-only", "--no-renames", "-z"]);
    let names = output(diff).await?;
    let names = String::from_utf8_lossy(&names.stdout);
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

async fn output(git: std::process::Command) -> Result<Output, CliError> {
    let output = Command::from(git).output().await;
    let output = output.map_err(|e| CliError::from(e).while_doing("git cannot be run"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(CliError::new(format!("git: {}", said.trim()))
        .hint("--staged works inside of a git repository"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn git(root: &Path, args: &[&str]) {
        let mut git = git::command(root);
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(args);
        output(git).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_commit_would_touch_is_told_with_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(paths(root, None).await.is_err(), "there is no repository");
        git(root, &["init", "--quiet"]).await;
        std::fs::create_dir(root.join("src")).unwrap();
        for name in ["src/new\nline.rs", "é.rs", "not staged"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        git(root, &["add", "src", "é.rs"]).await;
        assert_eq!(
            paths(root, None).await.unwrap(),
            ["src/new\nline.rs", "é.rs"]
        );
    }

    #[tokio::test]
    async fn the_index_of_a_hook_counts_if_it_is_the_repositorys_own() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        for (root, file) in [(&own, "a"), (&other, "b")] {
            std::fs::create_dir(root).unwrap();
            git(root, &["init", "--quiet"]).await;
            std::fs::write(root.join(file), "x").unwrap();
            git(root, &["add", file]).await;
        }
        std::fs::copy(own.join(".git/index"), own.join(".git/next-index-1.lock")).unwrap();
        git(&own, &["rm", "--quiet", "--cached", "a"]).await;
        let of_other = other.join(".git/index");
        let of_hook = own.join(".git/next-index-1.lock");
        for (index, expected) in [
            (None, &[][..]),
            (Some(of_hook.as_os_str()), &["a"]),
            (Some(OsStr::new(".git/next-index-1.lock")), &["a"]),
            (Some(OsStr::new(".git/index")), &[]),
            (Some(of_other.as_os_str()), &[]),
            (Some(OsStr::new("")), &[]),
        ] {
            assert_eq!(paths(&own, index).await.unwrap(), expected, "{index:?}");
        }
    }
}
