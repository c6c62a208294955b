//! The sources that proposals are made from: committed content of the project's source files.

use shim_proto::evolution::v1::UnreadFile;

use super::repository::Repository;
use crate::error::EvolutionError;
use crate::project::{Project, SourceFiles};

/// What one call of the tool host gets.
const BATCH_FILES: usize = 50;
const BATCH_BYTES: usize = 2 << 20;
/// A committed source file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Relative to the project's root.
    pub(super) path: String,
    /// Its content.
    pub(super) text: String,
    /// The git object of that.
    pub(super) object: String,
}

/// Sources, and what was left out with the reason.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) sources: Vec<Source>,
    pub(super) unread: Vec<UnreadFile>,
}

/// Sources in parts that one call takes.
pub(super) fn batches(sources: &[Source]) -> Vec<&[Source]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, source) in sources.iter().enumerate() {
        if index > start
            && (index - start >= BATCH_FILES || bytes + source.text.len() > BATCH_BYTES)
        {
            parts.push(&sources[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += source.text.len();
    }
    if start < sources.len() {
        parts.push(&sources[start..]);
    }
    parts
}

/// The committed sources among the files of a project. A file that differs from HEAD is left out.
///
/// # Errors
/// If the files cannot be listed or git fails.
pub(super) async fn committed(
    project: &Project,
    found: &SourceFiles,
    repository: &Repository,
) -> Result<Sources, EvolutionError> {
    let paths: Vec<String> = found.files.iter().map(|file| file.path.clone()).collect();
    let unread = found.unread.clone();
    let (repository, root) = (repository.clone(), project.root().to_path_buf());
    let reading = tokio::task::spawn_blocking(move || {
        tracing::debug!(root = %root.display(), files = paths.len(), "committed sources are read");
        read(&repository, paths, unread)
    });
    reading.await.unwrap_or(Err(EvolutionError::Stopping))
}

fn read(
    repository: &Repository,
    paths: Vec<String>,
    unread: Vec<UnreadFile>,
) -> Result<Sources, EvolutionError> {
    let tree = repository.tree(&repository.head)?;
    let mut found = Sources {
        unread,
        ..Sources::default()
    };
    let mut wanted = Vec::new();
    for path in paths {
        if repository.is_changed(&path) {
            found.leave_out(
                path,
                "it differs from what is committed; commit or stash it first",
            );
        } else if let Some(object) = tree.get(&path) {
            wanted.push((path, object.clone()));
        } else {
            found.leave_out(path, "git does not know it; commit it first");
        }
    }
    let objects: Vec<String> = wanted.iter().map(|(_, object)| object.clone()).collect();
    for ((path, object), text) in wanted.into_iter().zip(repository.contents(&objects)?) {
        match text {
            Some(text) => found.sources.push(Source { path, text, object }),
            None => found.leave_out(path, "what is committed is too large or no text"),
        }
    }
    Ok(found)
}

impl Sources {
    fn leave_out(&mut self, path: String, reason: &str) {
        self.unread.push(UnreadFile {
            path,
            tool: String::new(),
            reason: reason.to_owned(),
        });
    }
}
