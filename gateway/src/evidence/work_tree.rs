//! What of a work tree is not committed, asked of the git command: how many files, which, and a fingerprint of them.
//!
//! The fingerprint covers names, states, sizes and times, not contents: a look at a large tree must not read it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shim_proto::checkpoint::v1::WorkTree;
use shim_proto::limits::checkpoint::MAX_CHANGED_PATHS;
use shim_runtime::git;
use tokio::process::Command;

use super::repository::Question;
use super::tree_signature::Ignored;

/// git answers in milliseconds unless the tree is large or its disk hangs.
const GIT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Sizes and times of no more files than this go into the fingerprint.
const MAX_FINGERPRINTED: usize = 1_000;
/// The changes of the work tree around `folder`; `None` without one, or if git did not answer in time.
/// What git answers is remembered with the question, if there is one.
pub(super) async fn inspect(folder: &Path, question: Option<Question>) -> Option<WorkTree> {
    let mut command = Command::from(git::command(folder));
    if git::may_name_drivers(folder) {
        let folder = folder.to_path_buf();
        let asked = tokio::task::spawn_blocking(move || git::without_drivers(&folder, GIT_TIMEOUT));
        command.envs(asked.await.ok()?.ok()?);
    }
    command
        .args(["status", "--porcelain=v1", "-z", "--untracked-files=normal"])
        .args(["--ignore-submodules=dirty", "--no-renames"])
        .args(question.is_some().then_some("--ignored=matching"))
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(GIT_TIMEOUT, command.output())
        .await
        .ok()?
        .ok()?;
    if !output.status.success() {
        return None;
    }
    // Names are relative to the top of the work tree.
    let top = folder.ancestors().find(|above| above.join(".git").exists());
    let top = top.unwrap_or(folder).to_path_buf();
    let summary = tokio::task::spawn_blocking(move || {
        let (ignored, changed) = split(&output.stdout);
        let work_tree = summary(&String::from_utf8_lossy(&changed), &top);
        if let Some(question) = question {
            question.remember(ignored, &work_tree);
        }
        work_tree
    });
    summary.await.ok()
}

/// The paths that git ignores, and the entries of the others as they are.
fn split(answer: &[u8]) -> (Ignored, Vec<u8>) {
    let (mut ignored, mut changed) = (Ignored::new(), Vec::new());
    for entry in answer.split_inclusive(|byte| *byte == 0) {
        match entry.strip_prefix(b"!! ") {
            Some(path) => {
                let path = path.strip_suffix(b"\0").unwrap_or(path);
                ignored.insert(path.strip_suffix(b"/").unwrap_or(path).to_vec());
            }
            None => changed.extend_from_slice(entry),
        }
    }
    (ignored, changed)
}

fn summary(answer: &str, top: &Path) -> WorkTree {
    let entries: Vec<&str> = answer.split('\0').filter(|entry| entry.len() > 3).collect();
    if entries.is_empty() {
        return WorkTree::default();
    }
    let mut hasher = blake3::Hasher::new();
    for (index, entry) in entries.iter().enumerate() {
        hasher.update(entry.as_bytes());
        hasher.update(b"\0");
        if index < MAX_FINGERPRINTED {
            hasher.update(size_and_time(&top.join(&entry[3..])).as_bytes());
        }
    }
    let paths = entries.iter().take(MAX_CHANGED_PATHS);
    WorkTree {
        changed_files: u32::try_from(entries.len()).unwrap_or(u32::MAX),
        fingerprint: hasher.finalize().to_hex().to_string(),
        paths: paths.map(|entry| entry[3..].to_owned()).collect(),
    }
}

fn size_and_time(path: &Path) -> String {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return "gone\0".to_owned();
    };
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let nanoseconds = since.map_or(0, |since| since.as_nanos());
    format!("{} {nanoseconds}\0", metadata.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let mut command = std::process::Command::new("git");
        command
            .current_dir(folder)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(arguments);
        assert!(command.output().unwrap().status.success(), "{arguments:?}");
    }

    #[tokio::test]
    async fn each_change_of_the_tree_changes_what_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        git(path, &["init", "-q"]);
        std::fs::create_dir(path.join("src")).unwrap();
        std::fs::write(path.join("src/a.rs"), "1\n").unwrap();
        git(path, &["add", "."]);
        git(path, &["commit", "-q", "-m", "begin"]);
        // Asked in a folder below the top.
        let look = || async { inspect(&path.join("src"), None).await.unwrap() };
        assert_eq!(look().await, WorkTree::default());
        std::fs::write(path.join("src/a.rs"), "22\n").unwrap();
        let changed = look().await;
        assert_eq!(
            (changed.changed_files, changed.paths.as_slice()),
            (1, &["src/a.rs".to_owned()][..])
        );
        assert_eq!(look().await, changed, "nothing happened");
        std::fs::write(path.join("src/a.rs"), "333\n").unwrap();
        let again = look().await;
        assert_ne!(again.fingerprint, changed.fingerprint);
        std::fs::write(path.join("ä b.rs"), "new\n").unwrap();
        assert_eq!(look().await.paths, ["src/a.rs", "ä b.rs"]);
    }

    #[tokio::test]
    async fn a_filter_of_the_repository_does_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let (path, ran) = (folder.path().join("tree"), folder.path().join("ran"));
        std::fs::create_dir(&path).unwrap();
        git(&path, &["init", "-q"]);
        std::fs::write(path.join(".gitattributes"), "* filter=x\n").unwrap();
        std::fs::write(path.join("a"), "1\n").unwrap();
        git(&path, &["add", "."]);
        git(&path, &["commit", "-q", "-m", "begin"]);
        let touch = format!("touch '{}'; cat", ran.display());
        git(&path, &["config", "filter.x.clean", &touch]);
        std::fs::write(path.join("a"), "2\n").unwrap();
        assert_eq!(inspect(&path, None).await.unwrap().paths, ["a"]);
        assert!(!ran.exists(), "the filter ran");
    }

    #[tokio::test]
    async fn a_folder_without_a_repository_has_no_work_tree() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(inspect(folder.path(), None).await, None);
    }
}
