//! The files of an analysis.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use shim_proto::evolution::v1::UnreadFile;

use crate::project::SourceFiles;

/// A source file, as it was when the analysis began.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Relative to the project's root, with `/`.
    pub(super) path: String,
    /// Of its content.
    pub(super) hash: blake3::Hash,
    /// Whether the analysis is about it. The others are read since imports lead to them.
    pub(super) is_chosen: bool,
}

/// All files of the project.
#[derive(Debug)]
pub(super) struct Sources {
    /// In the order of their paths.
    pub(super) files: Vec<Source>,
    /// Files that are left out for all tools.
    pub(super) unread: Vec<UnreadFile>,
}

impl Sources {
    /// The files that were found; the analysis is about those in `chosen`, if it is given.
    pub(super) fn of(found: SourceFiles, chosen: Option<&BTreeSet<String>>) -> Self {
        let files = found.files.into_iter().map(|file| Source {
            is_chosen: chosen.is_none_or(|chosen| chosen.contains(&file.path)),
            path: file.path,
            hash: file.hash,
        });
        Self {
            files: files.collect(),
            unread: found.unread,
        }
    }

    /// The files that the analysis is about.
    pub(super) fn chosen(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.is_chosen)
    }

    /// Names and contents of all files.
    pub(super) fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(&(file.path.len() as u64).to_le_bytes());
            hasher.update(file.path.as_bytes());
            hasher.update(file.hash.as_bytes());
        }
        hasher.finalize()
    }

    /// Which files are chosen, and which are left out.
    pub(super) fn choice_hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(&[u8::from(file.is_chosen)]);
        }
        for file in &self.unread {
            hasher.update(file.path.as_bytes());
            hasher.update(&[0]);
            hasher.update(file.reason.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finalize()
    }

    /// The names alone.
    pub(super) fn names_hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(file.path.as_bytes());
            hasher.update(&[0]);
        }
        hasher.finalize()
    }
}

/// The texts of files, as far as they can be read and are what they were.
pub(super) fn texts(root: &Path, files: &[&Source]) -> BTreeMap<String, String> {
    let read = |file: &&Source| {
        let bytes = std::fs::read(root.join(&file.path)).ok()?;
        let is_same = blake3::hash(&bytes) == file.hash;
        let text = is_same.then(|| String::from_utf8(bytes).ok()).flatten()?;
        Some((file.path.clone(), text))
    };
    files.par_iter().filter_map(read).collect()
}

/// Why a file has no text in [`texts`].
pub(super) const CHANGED: &str = "it changed or went away while it was read";
