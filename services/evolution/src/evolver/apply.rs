//! An evolution applied in its worktree, staged, and read back as it would be committed.

use std::path::Path;

use shim_proto::evolution::v1::{FileChange, LineRange};
use tokio_util::sync::CancellationToken;

use super::checks::CheckedText;
use super::commands::git;
use super::context::Evolver;
use super::repository::Repository;
use crate::domain::evolution::patched;
use crate::error::EvolutionError;

/// A file as it was committed and as it would be.
#[derive(Debug, Clone)]
pub(super) struct AppliedFile {
    pub(super) path: String,
    /// `None` for a new file.
    pub(super) before: Option<String>,
    pub(super) after: String,
    pub(super) meant: Vec<LineRange>,
}

impl AppliedFile {
    pub(super) fn is_unchanged(&self) -> bool {
        self.before.as_deref() == Some(self.after.as_str())
    }

    pub(super) fn text(&self) -> CheckedText<'_> {
        CheckedText {
            path: &self.path,
            before: self.before.as_deref(),
            after: &self.after,
        }
    }
}

/// The first file that is not committed any more as the evolution was made from it.
///
/// # Errors
/// If git fails.
pub(super) async fn outdated(
    repository: &Repository,
    files: &[FileChange],
) -> Result<Option<String>, EvolutionError> {
    let (repository, files) = (repository.clone(), files.to_vec());
    blocking(move || {
        let tree = repository.tree(&repository.head)?;
        let is_changed = |file: &&FileChange| {
            let object = tree.get(&file.path).map_or("", String::as_str);
            object != file.base
        };
        Ok(files.iter().find(is_changed).map(|file| file.path.clone()))
    })
    .await
}

impl Evolver {
    /// Writes and stages the changes in a worktree, and reads them back from git: filters of the repository may have changed them.
    ///
    /// # Errors
    /// If a diff does not fit, the disk is full, or git fails.
    pub(super) async fn apply(
        &self,
        repository: &Repository,
        worktree: &Path,
        files: &[FileChange],
        cancel: &CancellationToken,
    ) -> Result<Vec<AppliedFile>, EvolutionError> {
        let root = worktree.join(&repository.prefix);
        let (source, own) = (repository.clone(), files.to_vec());
        let folder = root.clone();
        let mut applied = blocking(move || write(&source, &folder, &own)).await?;
        let mut args = vec!["add", "--force", "--"];
        args.extend(files.iter().map(|file| file.path.as_str()));
        git(&self.runs, &root, &args, cancel).await?;
        let staged = git(
            &self.runs,
            &root,
            &["ls-files", "-s", "-z", "--", "."],
            cancel,
        )
        .await?;
        let objects: Vec<String> = applied
            .iter()
            .map(|file| object_of(&staged, &file.path))
            .collect();
        let source = repository.clone();
        let contents = blocking(move || source.contents(&objects)).await?;
        for (file, content) in applied.iter_mut().zip(contents) {
            file.after = content.unwrap_or_default();
        }
        Ok(applied)
    }
}

/// The object of a path in `<mode> <object> <stage>\t<path>\0`.
fn object_of(staged: &str, path: &str) -> String {
    let line = staged.split('\0').find(|line| {
        line.split_once('\t')
            .is_some_and(|(_, found)| found == path)
    });
    let object = line.and_then(|line| line.split(' ').nth(1));
    object.unwrap_or_default().to_owned()
}

fn write(
    repository: &Repository,
    root: &Path,
    files: &[FileChange],
) -> Result<Vec<AppliedFile>, EvolutionError> {
    let known: Vec<String> = files
        .iter()
        .filter(|file| !file.is_new)
        .map(|file| file.base.clone())
        .collect();
    let mut contents = repository.contents(&known)?.into_iter();
    let mut applied = Vec::with_capacity(files.len());
    for file in files {
        let before = if file.is_new {
            None
        } else {
            contents.next().flatten()
        };
        let after = patched(before.as_deref().unwrap_or_default(), &file.diff);
        let after = after.map_err(|why| EvolutionError::DiffDoesNotFit {
            path: file.path.clone(),
            why: why.to_string(),
        })?;
        let path = root.join(&file.path);
        let failed = |why: std::io::Error| EvolutionError::of_io(&path, &why);
        // A sparse checkout leaves folders out.
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // The place of a file may be a link in the checked out commit only if the tree says so, which was checked.
        std::fs::write(&path, &after).map_err(failed)?;
        applied.push(AppliedFile {
            path: file.path.clone(),
            before,
            after,
            meant: file.meant.clone(),
        });
    }
    Ok(applied)
}

/// Runs work that waits for the disk or git, off the threads of the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EvolutionError> + Send + 'static,
) -> Result<T, EvolutionError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(EvolutionError::Stopping))
}
