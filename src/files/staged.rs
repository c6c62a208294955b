//! The files that are staged for the next commit.

use std::path::Path;

use tokio::process::Command;

use crate::error::CliError;

/// Paths relative to the repository's root, with both names of a renamed file.
pub(super) async fn paths(root: &Path) -> Result<Vec<String>, CliError> {
    let git = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["diff", "--cached", "--name-only", "--no-renames", "-z"])
        .output()
        .await
        .map_err(|e| CliError::from(e).while_doing("git cannot be run"))?;
    if !git.status.success() {
        let said = String::from_utf8_lossy(&git.stderr);
        return Err(CliError::new(format!("git diff: {}", said.trim()))
            .hint("--staged works inside of a git repository"));
    }
    let names = String::from_utf8_lossy(&git.stdout);
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_a_commit_would_touch_is_told_with_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(paths(root).await.is_err(), "there is no repository");
        let git = async |args: &[&str]| {
            let mut git = Command::new("git");
            let done = git.arg("-C").arg(root).args(args).output().await.unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        git(&["init", "--quiet"]).await;
        std::fs::create_dir(root.join("src")).unwrap();
        for name in ["src/new\nline.rs", "é.rs", "not staged"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        git(&["add", "src", "é.rs"]).await;
        assert_eq!(paths(root).await.unwrap(), ["src/new\nline.rs", "é.rs"]);
    }
}
