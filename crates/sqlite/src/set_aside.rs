//! The files beside a database that hold what another one held.

use std::path::{Path, PathBuf};

use crate::schema::Schema;

/// What such files are: damaged, from before a restore, or saved from a database that was removed while it was open.
pub(crate) const DAMAGED: &str = "damaged";
pub(crate) const BEFORE_RESTORE: &str = "before-restore";
pub(crate) const RESCUED: &str = "rescued";

/// The files beside the database that hold another one's contents. The newest comes first.
#[must_use]
pub fn set_aside(schema: &Schema, data_dir: &Path) -> Vec<PathBuf> {
    of_kinds(schema, data_dir, &[DAMAGED, BEFORE_RESTORE, RESCUED])
}

/// The newest of the files that hold what a database held when it was removed or replaced under its service.
#[must_use]
pub fn newest_rescued(schema: &Schema, data_dir: &Path) -> Option<PathBuf> {
    of_kinds(schema, data_dir, &[RESCUED]).into_iter().next()
}

fn of_kinds(schema: &Schema, data_dir: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_kind = |kind: &&str| name.starts_with(&format!("{}.{kind}", schema.name));
        name.ends_with(".db") && kinds.iter().any(is_kind)
    };
    let entries = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    let age = |path: &PathBuf| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    };
    found.sort_by_key(|path| std::cmp::Reverse(age(path)));
    found
}
