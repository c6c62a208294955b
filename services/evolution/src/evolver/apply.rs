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

/// Far below what systems take.
const PATHS_IN_ONE_COMMAND: usize = 500;

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
    /// Stages the changes in a worktree byte for byte, has git check them out, and reads back what would be committed.
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
        let (source, own, place) = (repository.clone(), files.to_vec(), worktree.to_path_buf());
        let mut applied = blocking(move || {
            let made = made(&source, &own)?;
            let texts = made
                .iter()
                .map(|file| (file.path.as_str(), file.after.as_str()));
            source.stage(&place, texts)?;
            Ok(made)
        })
        .await?;
        // As git checks them out, by the attributes of the repository: tests and tools read them so.
        for some in files.chunks(PATHS_IN_ONE_COMMAND) {
            let mut args = vec!["checkout-index", "--force", "--"];
            args.extend(some.iter().map(|file| file.path.as_str()));
            git(&self.runs, &root, &args, cancel).await?;
        }
        let list = ["ls-files", "-s", "-z", "--", "."];
        let staged = git(&self.runs, &root, &list, cancel).await?;
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

/// The changed texts.
fn made(repository: &Repository, files: &[FileChange]) -> Result<Vec<AppliedFile>, EvolutionError> {
    let known: Vec<String> = files
        .iter()
        .filter(|file| !file.is_new)
        .map(|file| file.base.clone())
        .collect();
    let mut contents = repository.contents(&known)?.into_iter();
    let mut made = Vec::with_capacity(files.len());
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
        made.push(AppliedFile {
            path: file.path.clone(),
            before,
            after,
            meant: file.meant.clone(),
        });
    }
    Ok(made)
}

/// Runs work that waits for the disk or git, off the threads of the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EvolutionError> + Send + 'static,
) -> Result<T, EvolutionError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(EvolutionError::Stopping))
}
