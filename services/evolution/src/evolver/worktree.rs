//! A git worktree below the data folder, made for one evolution. It is gone when its handle is, or with the next start.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::commands::git;
use super::context::Evolver;
use super::references::{remove_locks, remove_packed_lock};
use super::repository::Repository;
use super::reverting::{EXTENSION, Reversion};
use crate::error::EvolutionError;
use crate::test_runs::link_packages;

/// Names of worktrees begin so.
const PREFIX: &str = "shim-";
/// The file beside a worktree that names the repository it belongs to.
const NOTE: &str = "repository";

/// A worktree with a detached head.
#[derive(Debug)]
pub(super) struct Worktree {
    folder: PathBuf,
    common_dir: PathBuf,
    note: PathBuf,
}

impl Worktree {
    /// Checks a commit out, with the packages of the user's working tree linked.
    ///
    /// # Errors
    /// If the disk is full, git fails or the call is cancelled.
    pub(super) async fn add(
        evolver: &Evolver,
        repository: &Repository,
        id: &str,
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<Self, EvolutionError> {
        let folder = evolver.worktrees.join(format!("{PREFIX}{id}"));
        let worktree = Self {
            note: folder.with_extension(NOTE),
            folder,
            common_dir: repository.common_dir.clone(),
        };
        let failed = |why: std::io::Error| EvolutionError::of_io(&worktree.folder, &why);
        shim_runtime::stack::make_private_dir(&evolver.worktrees).map_err(failed)?;
        std::fs::write(
            &worktree.note,
            repository.common_dir.as_os_str().as_encoded_bytes(),
        )
        .map_err(failed)?;
        let path = worktree.folder.display().to_string();
        let args = ["worktree", "add", "--quiet", "--detach", &path, commit];
        git(&evolver.runs, &repository.work_tree, &args, cancel).await?;
        let (from, to) = (repository.work_tree.clone(), worktree.folder.clone());
        let linking = tokio::task::spawn_blocking(move || link_packages(&from, &to));
        linking.await.unwrap_or(Ok(())).map_err(failed)?;
        Ok(worktree)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let since = written(&self.note);
        remove(&self.folder, &self.common_dir);
        remove_packed_lock(&self.common_dir, since);
        let _ = std::fs::remove_file(&self.note);
    }
}

/// Removes a worktree and what its repository knows of it.
fn remove(folder: &Path, common_dir: &Path) {
    if folder.exists()
        && let Err(why) = std::fs::remove_dir_all(folder)
    {
        tracing::warn!(%why, folder = %folder.display(), "a worktree is removed at the next start");
    }
    let entries = std::fs::read_dir(common_dir.join("worktrees"))
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let place = std::fs::read_to_string(entry.path().join("gitdir")).unwrap_or_default();
        let is_it = Path::new(place.trim()).starts_with(folder);
        // git makes the file that names the place last: an entry of this very name without it is of an interrupted start.
        let is_begun =
            place.is_empty() && Some(entry.file_name().as_os_str()) == folder.file_name();
        if is_it || is_begun {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    // git leaves the folder out when it holds nothing.
    let _ = std::fs::remove_dir(common_dir.join("worktrees"));
}

/// Removes all worktrees below `worktrees`: their processes are gone. Locks of branches go with them.
pub(super) fn sweep(worktrees: &Path) {
    let entries = std::fs::read_dir(worktrees).into_iter().flatten().flatten();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let of = |kind: &'static str| {
        let notes = paths.iter();
        notes.filter(move |path| path.extension().is_some_and(|extension| extension == kind))
    };
    for note in of(EXTENSION) {
        if let Some(begun) = Reversion::read(note) {
            remove_locks(&begun.common_dir, written(note));
        }
    }
    // A note goes after its folder, so that a sweep that is killed finds it again.
    for note in of(NOTE) {
        let repository = PathBuf::from(std::fs::read_to_string(note).unwrap_or_default());
        let folder = note.with_extension("");
        if repository.is_dir() {
            remove(&folder, &repository);
            remove_locks(&repository, written(note));
        } else {
            let _ = std::fs::remove_dir_all(&folder);
        }
        let _ = std::fs::remove_file(note);
    }
}

/// When a note was written, which is before the first lock was taken; now, if that cannot be told.
fn written(note: &Path) -> SystemTime {
    let modified = note.metadata().and_then(|meta| meta.modified());
    modified.unwrap_or_else(|_| SystemTime::now())
}
