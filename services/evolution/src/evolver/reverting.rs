//! The note of a reversion that has begun, kept until the database says how it ended.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shim_proto::evolution::v1::Evolution;
use shim_runtime::stack::make_private_dir;

use super::repository::Repository;
use crate::error::EvolutionError;

/// The extension of these files.
pub(super) const EXTENSION: &str = "reversion";

/// What is needed to end a reversion after a crash.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reversion {
    pub(super) evolution_id: String,
    /// The request that takes it back.
    pub(super) request_id: String,
    pub(super) reason: String,
    /// The folder of its branches.
    pub(super) common_dir: PathBuf,
}

impl Reversion {
    pub(super) fn new(
        repository: &Repository,
        evolution: &Evolution,
        request_id: &str,
        reason: &str,
    ) -> Self {
        Self {
            evolution_id: evolution.evolution_id.clone(),
            request_id: request_id.to_owned(),
            reason: reason.to_owned(),
            common_dir: repository.common_dir.clone(),
        }
    }

    /// All notes in a folder. One that was cut short was written for a reversion that had not begun, and is removed.
    pub(super) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let notes = paths.filter(|path| path.extension().is_some_and(|it| it == EXTENSION));
        let read = notes.filter_map(|path| {
            let note = Self::read(&path);
            if note.is_none() {
                let _ = std::fs::remove_file(&path);
            }
            note
        });
        read.collect()
    }

    /// The note in a file; `None` if it was cut short.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes it down, before the first change.
    pub(super) fn write(&self, folder: &Path) -> Result<(), EvolutionError> {
        let path = self.path(folder);
        let failed = |why: std::io::Error| EvolutionError::of_io(&path, &why);
        make_private_dir(folder).map_err(failed)?;
        let text = serde_json::to_vec(self).map_err(|why| failed(why.into()))?;
        let written = std::fs::write(&path, text);
        written.map_err(|why| {
            self.remove(folder);
            failed(why)
        })
    }

    pub(super) fn remove(&self, folder: &Path) {
        let _ = std::fs::remove_file(self.path(folder));
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.{EXTENSION}", self.evolution_id))
    }
}
