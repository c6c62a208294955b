//! Changes that others worked out, whole texts by path: kept as a proposal, with the same approval and verification as a transform's.

use std::path::Path;

use shim_proto::evolution::v1::{Evolution, FileChange, LineRange, Risk};

use super::apply::blocking;
use super::context::Evolver;
use super::custom::changed_lines;
use super::repository::Repository;
use crate::domain::evolution::unified;
use crate::error::EvolutionError;
use crate::patterns::PatternEngine;
use crate::project::Project;

/// A change that was worked out elsewhere: tests that were generated, what an agent wrote.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// The name it is remembered by, `generate_tests` for example.
    pub(crate) transform: String,
    /// Why it is proposed.
    pub(crate) why: String,
    /// How dangerous it is.
    pub(crate) risk: Risk,
    /// Whole texts by path relative to the project's root; a path that is not committed is a new file.
    pub(crate) files: Vec<(String, String)>,
}

impl Evolver {
    /// Keeps an offer as a proposal. Files that would not change are left out.
    ///
    /// # Errors
    /// If nothing would change, a file differs from what is committed, or git or the store fails.
    pub(crate) async fn offer(
        &self,
        project: &Project,
        offer: Offer,
    ) -> Result<Evolution, EvolutionError> {
        let repository = Repository::of(project)?;
        let root = project.root().to_path_buf();
        let Offer {
            transform,
            why,
            risk,
            files,
        } = offer;
        let changes = blocking(move || changes(&repository, &root, files)).await?;
        if changes.is_empty() {
            return Err(EvolutionError::NothingOffered);
        }
        let mut proposal = [Evolution {
            project: Some(project.to_message()),
            transform,
            risk: risk.into(),
            why,
            files: changes,
            ..Evolution::default()
        }];
        PatternEngine::load(&self.store, None)
            .await?
            .rank(&mut proposal);
        let [proposal] = proposal;
        self.store.insert_proposal(proposal).await
    }
}

/// What an offer changes of what is committed.
fn changes(
    repository: &Repository,
    root: &Path,
    files: Vec<(String, String)>,
) -> Result<Vec<FileChange>, EvolutionError> {
    let tree = repository.tree(&repository.head)?;
    let mut changes = Vec::new();
    for (path, after) in files {
        let object = tree.get(&path);
        // A file that only the working tree has would be in the way of a merge.
        let is_in_the_way = object.is_none() && root.join(&path).symlink_metadata().is_ok();
        if repository.is_changed(&path) || is_in_the_way {
            return Err(EvolutionError::NotCommitted(path));
        }
        let before = match object {
            Some(object) => repository
                .contents(std::slice::from_ref(object))?
                .pop()
                .flatten(),
            None => None,
        };
        if before.as_deref() != Some(after.as_str()) {
            let base = object.cloned().unwrap_or_default();
            changes.push(change(path, base, before.as_deref(), &after));
        }
    }
    Ok(changes)
}

fn change(path: String, base: String, before: Option<&str>, after: &str) -> FileChange {
    let diff = unified(&path, before, after);
    let meant = if before.is_some() {
        changed_lines(&diff.text)
    } else {
        Vec::new()
    };
    FileChange {
        changes: u32::try_from(meant.len().max(1)).unwrap_or(u32::MAX),
        meant: meant
            .into_iter()
            .map(|(first, last)| LineRange { first, last })
            .collect(),
        path,
        diff: diff.text,
        functions: Vec::new(),
        deleted_lines: diff.deleted,
        added_lines: diff.added,
        is_new: base.is_empty(),
        base,
    }
}
