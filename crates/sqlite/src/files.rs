//! The modes of a database's files: readable by their owner alone, even if the folder is opened to others. The contents
//! are never touched.

use std::fs::{OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PRIVATE: u32 = 0o600;

/// What SQLite puts behind the name of a database: nothing, its log, and the index of that.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// The files of the database at `path`, there or not.
pub(crate) fn database_files(path: &Path) -> [PathBuf; 3] {
    SUFFIXES.map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Makes an empty private file unless there is one, and closes an existing one to others. To be called before SQLite
/// opens the file: SQLite makes a database with the mode that the umask leaves, and gives the database's mode to its log.
pub(crate) fn ensure_private(path: &Path) -> std::io::Result<()> {
    match create_private(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            set_private_mode(path);
            Ok(())
        }
        made => made,
    }
}

/// Makes an empty file that only its owner can read. A symbolic link in its place is not followed.
///
/// # Errors
/// If the name is taken, or the file cannot be made.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true).mode(PRIVATE);
    new.open(path).map(drop)
}

/// Closes the files of a database to others.
pub(crate) fn set_private_mode(path: &Path) {
    for file in database_files(path) {
        match std::fs::set_permissions(&file, Permissions::from_mode(PRIVATE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, file = %file.display(), "the mode of a database's file cannot be set");
            }
            _ => {}
        }
    }
}

/// A name that no file has: that of the database with what it is and the time in it.
pub(crate) fn unused_name(path: &Path, kind: &str) -> PathBuf {
    let unix_seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (0..)
        .map(|n| path.with_extension(format!("{kind}-{}.db", unix_seconds + n)))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension(format!("{kind}.db")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_that_others_may_read_are_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.db");
        ensure_private(&path).unwrap();
        assert_eq!(
            (mode(&path), std::fs::read(&path).unwrap().len()),
            (0o600, 0)
        );
        let [_, log, index] = database_files(&path);
        for file in [&path, &log] {
            std::fs::write(file, "kept").unwrap();
            std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        }
        ensure_private(&path).unwrap();
        assert_eq!(
            (mode(&path), mode(&log), index.exists()),
            (0o600, 0o600, false)
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    }
}
