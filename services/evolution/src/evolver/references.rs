//! Branches of evolutions, made and ended by one change each, which is never called off halfway.
//!
//! git takes locks for such a change, and removes them when it ends or is asked to end. What a killed git leaves of them is removed
//! here, and after a crash at the next start.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::commands::{ask_git, failure, try_git};
use super::context::Evolver;
use crate::error::EvolutionError;
use crate::programs::Finished;

impl Evolver {
    /// Makes the first branch of these names that can be made, and answers its name. `folder` lies in the repository.
    ///
    /// # Errors
    /// If git fails or the call was cancelled before.
    pub(super) async fn make_branch(
        &self,
        folder: &Path,
        names: &[String],
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<String, EvolutionError> {
        let mut refused = None;
        for name in names {
            let reference = format!("refs/heads/{name}");
            let unborn = "0".repeat(commit.len());
            let args = ["update-ref", &reference, commit, &unborn];
            let made = self.change_reference(folder, &args, cancel).await?;
            if made.is_success() {
                return Ok(name.clone());
            }
            refused = Some(failure(&args, &made));
        }
        Err(refused.unwrap_or(EvolutionError::Stopping))
    }

    /// Ends a branch whose last commit is this one.
    ///
    /// # Errors
    /// If git fails or the call was cancelled before.
    pub(super) async fn end_branch(
        &self,
        folder: &Path,
        branch: &str,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<(), EvolutionError> {
        let reference = format!("refs/heads/{branch}");
        let args = ["update-ref", "-d", &reference, commit];
        let made = self.change_reference(folder, &args, cancel).await?;
        if made.is_success() {
            return Ok(());
        }
        Err(failure(&args, &made))
    }

    /// Runs git to its end, whatever becomes of the call; a git that was killed leaves no lock.
    async fn change_reference(
        &self,
        folder: &Path,
        args: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Finished, EvolutionError> {
        if cancel.is_cancelled() {
            return Err(EvolutionError::Cancelled);
        }
        let began = SystemTime::now();
        let uncancelled = CancellationToken::new();
        let made = try_git(&self.runs, folder, args, &uncancelled).await;
        if made.is_err() {
            self.remove_locks_in(folder, began).await;
        }
        made
    }

    async fn remove_locks_in(&self, folder: &Path, since: SystemTime) {
        let args = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
        let said = ask_git(&self.runs, folder, &args, &CancellationToken::new()).await;
        let Ok(said) = said else { return };
        let common_dir = PathBuf::from(said.stdout.trim_end_matches('\n'));
        let removing = tokio::task::spawn_blocking(move || remove_locks(&common_dir, since));
        let _ = removing.await;
    }
}

/// Removes the locks that a killed git of ours left in a repository: those of our branches, which nothing else writes, and that of
/// the packed branches if it was made since then and no other git is at work.
pub(super) fn remove_locks(common_dir: &Path, since: SystemTime) {
    let heads = common_dir.join("refs/heads");
    let own = heads.join("shim");
    for path in entries(&own).chain(entries(&heads)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_own = path.parent() == Some(&own) || name.starts_with("shim-");
        if is_own && name.ends_with(".lock") {
            let _ = std::fs::remove_file(&path);
        }
    }
    // An empty folder of branches is none of the user's.
    let _ = std::fs::remove_dir(&own);
    let packed = common_dir.join("packed-refs.lock");
    let made = packed.metadata().and_then(|meta| meta.modified());
    // Times of files are those of the last tick of the kernel.
    let is_since = |made: SystemTime| made + std::time::Duration::from_millis(20) >= since;
    if made.is_ok_and(is_since) && !is_git_at_work(common_dir) {
        let _ = std::fs::remove_file(packed);
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// Whether a git works in this repository, whose lock it might be.
fn is_git_at_work(common_dir: &Path) -> bool {
    let tree = common_dir.parent().unwrap_or(common_dir);
    entries(Path::new("/proc")).any(|process| {
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        // A process that is dead has no folder any more.
        let folder = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        name.starts_with("git") && (folder.starts_with(tree) || folder.starts_with(common_dir))
    })
}
