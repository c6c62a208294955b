//! Going back to a backup: the copy is checked first, beside a service that goes on, the present database is kept beside it, and one rename decides.
//!
//! (A) At every moment there is a whole database under its name: the one from before, or the backup.
//! (B) No log of the one from before is ever replayed into the backup.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::OpenError;
use crate::files::{self, database_files};
use crate::inspect::{Integrity, inspect};
use crate::lock::{DatabaseLock, Record};
use crate::rescue;
use crate::schema::Schema;
use crate::set_aside::BEFORE_RESTORE;

/// Why a backup was not restored. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such file.
    #[error("there is no backup at {0}")]
    NoBackup(PathBuf),
    /// It is no backup that this program can use.
    #[error("{file} is no usable backup: {why}")]
    Unusable {
        /// The backup.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The data folder cannot be used, or another process has the database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file could not be copied or moved.
    #[error("the backup could not be put in place: {0}")]
    Io(#[from] std::io::Error),
}

/// A backup that was copied into a data folder and found usable; its copy is removed when it is dropped.
#[derive(Debug)]
pub struct Incoming {
    schema: &'static Schema,
    data_dir: PathBuf,
    copy: PathBuf,
}

impl Incoming {
    /// Copies the backup `from` into `data_dir` and checks the copy, beside a service that may use the database.
    ///
    /// # Errors
    /// If the backup is damaged, of a newer version or none at all. Nothing has changed then.
    pub fn take_in(
        schema: &'static Schema,
        data_dir: &Path,
        from: &Path,
    ) -> Result<Self, RestoreError> {
        let unusable = |why: &str| RestoreError::Unusable {
            file: from.to_path_buf(),
            why: why.to_owned(),
        };
        match from.metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RestoreError::NoBackup(from.to_path_buf()));
            }
            Err(error) => return Err(unusable(&format!("it cannot be reached: {error}"))),
            Ok(meta) if meta.is_dir() => return Err(unusable("it is a folder")),
            Ok(meta) if !meta.is_file() => return Err(unusable("it is no file")),
            Ok(meta) if meta.len() == 0 => return Err(unusable("it is empty")),
            Ok(_) => {}
        }
        std::fs::create_dir_all(data_dir)?;
        let database = schema.database_path(data_dir);
        let incoming = Self {
            schema,
            data_dir: data_dir.to_path_buf(),
            copy: files::unused_name(&database, "restoring"),
        };
        take_in(schema, from, &incoming.copy)?;
        Ok(incoming)
    }

    /// Puts the backup in the place of the database, which no service uses meanwhile. Answers with the name that the database
    /// from before has now, if there was one.
    ///
    /// # Errors
    /// If another process has the database, or a file cannot be moved. The database is as it was then.
    pub fn put_in_place(self) -> Result<Option<PathBuf>, RestoreError> {
        let lock = DatabaseLock::take(self.schema, &self.data_dir)?;
        let database = self.schema.database_path(&self.data_dir);
        let record = lock.record();
        if record.was_replaced {
            rescue::set_logs_aside(&database, &database_files(&database)[1..])?;
        }
        let kept = exchange(&database, &self.copy)?;
        lock.note(Record {
            was_opened: true,
            was_replaced: false,
        });
        Ok(kept)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let _ = remove_all(&self.copy);
    }
}

/// Copies the backup, with its log if it is one of a database in use, and checks the copy.
fn take_in(schema: &Schema, from: &Path, incoming: &Path) -> Result<(), RestoreError> {
    let unusable = |why: String| RestoreError::Unusable {
        file: from.to_path_buf(),
        why,
    };
    let [_, log, _] = database_files(from);
    let [copy, copied_log, _] = database_files(incoming);
    copy_private(from, &copy)?;
    if log.is_file() {
        copy_private(&log, &copied_log)?;
    }
    match inspect(schema, incoming) {
        Integrity::Intact => {}
        Integrity::Absent => return Err(unusable("it is empty".into())),
        Integrity::Damaged(why) | Integrity::Refused(why) => return Err(unusable(why)),
    }
    let version = single_file(incoming).map_err(|error| unusable(error.to_string()))?;
    if version == 0 {
        return Err(unusable("it holds none of SHIM's tables".into()));
    }
    std::fs::File::open(incoming)?.sync_all()?;
    Ok(())
}

/// Folds the log into the file. Answers with the version of the schema in it.
fn single_file(path: &Path) -> rusqlite::Result<i64> {
    let db = Connection::open(path)?;
    db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let version = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    db.close().map_err(|(_, error)| error)?;
    Ok(version)
}

/// Keeps the present database under another name, and puts the new one in its place.
fn exchange(database: &Path, incoming: &Path) -> Result<Option<PathBuf>, RestoreError> {
    let [file, log, index] = database_files(database);
    let mut kept = None;
    if file.exists() {
        let name = files::unused_name(database, BEFORE_RESTORE);
        let names = database_files(&name);
        for (from, to) in [&file, &log, &index].into_iter().zip(&names) {
            if from.exists() {
                keep(from, to)?;
            }
        }
        kept = Some(name);
    }
    // Without them the file from before is still a database, of an earlier moment, for an instant.
    for leftover in [&log, &index] {
        remove_if_there(leftover)?;
    }
    std::fs::rename(incoming, database)?;
    if let Some(folder) = database.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(kept)
}

/// A second name for the file; a copy where the file system has none.
fn keep(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::hard_link(from, to).or_else(|_| copy_private(from, to))
}

fn copy_private(from: &Path, to: &Path) -> std::io::Result<()> {
    files::create_private(to)?;
    std::fs::copy(from, to)?;
    files::set_private_mode(to);
    Ok(())
}

fn remove_all(database: &Path) -> std::io::Result<()> {
    for file in database_files(database) {
        remove_if_there(&file)?;
    }
    Ok(())
}

fn remove_if_there(file: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
