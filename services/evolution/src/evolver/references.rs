//! Branches of evolutions, made and ended by one change each, which is never called off halfway.
//!
//! git takes locks for such a change, and removes them when it ends or is asked to end. What a killed git leaves of them is removed
//! here, and after a crash at the next start.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::commands::{ask_git, failure, try_git};
use super::context::Evolver;
use crate::error::EvolutionError;

/// Looks for a living git before a lock is left to it, and the time between two of them.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A change of one reference.
struct Change<'a> {
    folder: &'a Path,
    reference: &'a str,
    /// What git is told.
    args: &'a [&'a str],
    /// The commit that it names afterwards; `None` if it is gone then.
    becomes: Option<&'a str>,
}

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
            let change = Change {
                folder,
                reference: &reference,
                args: &args,
                becomes: Some(commit),
            };
            match self.change_reference(change, cancel).await {
                Ok(()) => return Ok(name.clone()),
                Err(EvolutionError::Cancelled) => return Err(EvolutionError::Cancelled),
                Err(why) => refused = Some(why),
            }
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
        let change = Change {
            folder,
            reference: &reference,
            args: &args,
            becomes: None,
        };
        self.change_reference(change, cancel).await
    }

    /// Runs git to its end, whatever becomes of the call. A git that was killed leaves no lock; if it did not come to its change, it
    /// is run once more.
    async fn change_reference(
        &self,
        change: Change<'_>,
        cancel: &CancellationToken,
    ) -> Result<(), EvolutionError> {
        if cancel.is_cancelled() {
            return Err(EvolutionError::Cancelled);
        }
        let Change { folder, args, .. } = change;
        let mut killed = EvolutionError::Stopping;
        for _ in 0..2 {
            let began = SystemTime::now();
            match try_git(&self.runs, folder, args, &CancellationToken::new()).await {
                Ok(made) if made.is_success() => return Ok(()),
                Ok(made) => return Err(failure(args, &made)),
                Err(why) => killed = why,
            }
            self.remove_locks_of(folder, change.reference, began).await;
            if self.is_done(&change).await? {
                return Ok(());
            }
        }
        Err(killed)
    }

    /// Whether the change was made: a git may be killed after it.
    async fn is_done(&self, change: &Change<'_>) -> Result<bool, EvolutionError> {
        let args = ["rev-parse", "--verify", "--quiet", change.reference];
        let uncancelled = CancellationToken::new();
        let said = ask_git(&self.runs, change.folder, &args, &uncancelled).await?;
        let is = said.is_success().then(|| said.stdout.trim());
        Ok(is == change.becomes)
    }

    async fn remove_locks_of(&self, folder: &Path, reference: &str, since: SystemTime) {
        let args = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
        let said = ask_git(&self.runs, folder, &args, &CancellationToken::new()).await;
        let Ok(said) = said else { return };
        let common_dir = PathBuf::from(said.stdout.trim_end_matches('\n'));
        let own = common_dir.join(format!("{reference}.lock"));
        let removing = tokio::task::spawn_blocking(move || {
            let _ = std::fs::remove_file(own);
            remove_packed_lock(&common_dir, since);
        });
        let _ = removing.await;
    }
}

/// Removes the locks that an earlier process left in a repository: those of our branches, which nothing else writes, and that of
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
    remove_packed_lock(common_dir, since);
}

/// Commits, resets and reverts in a worktree take this lock of the whole repository, too: they end what git calls pseudo references.
pub(super) fn remove_packed_lock(common_dir: &Path, since: SystemTime) {
    let packed = common_dir.join("packed-refs.lock");
    // Times of files are those of the last tick of the kernel.
    let is_since = |made: SystemTime| made + Duration::from_millis(20) >= since;
    for _ in 0..LOOKS {
        let made = packed.metadata().and_then(|meta| meta.modified());
        if !made.is_ok_and(is_since) {
            return;
        }
        if !is_git_at_work(common_dir) {
            let _ = std::fs::remove_file(&packed);
            return;
        }
        // It may be one that is being killed.
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// Whether a git works in this repository or in a worktree of it, whose lock it might be.
fn is_git_at_work(common_dir: &Path) -> bool {
    let tree = common_dir.parent().unwrap_or(common_dir);
    entries(Path::new("/proc")).any(|process| {
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        // A process that is dead has no folder any more.
        let folder = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        let is_inside = || folder.starts_with(tree) || folder.starts_with(common_dir);
        name.starts_with("git") && (is_inside() || is_worktree_of(&folder, common_dir))
    })
}

/// Whether a folder lies in a worktree of a repository, whose file `.git` names its place there.
fn is_worktree_of(folder: &Path, common_dir: &Path) -> bool {
    folder.ancestors().any(|above| {
        let place = std::fs::read_to_string(above.join(".git")).unwrap_or_default();
        let place = place.strip_prefix("gitdir: ");
        place.is_some_and(|place| Path::new(place.trim_end()).starts_with(common_dir))
    })
}
