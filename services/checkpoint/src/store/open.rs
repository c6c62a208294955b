//! Opening the database: the lock, the integrity check, the schema, and what happens to a damaged file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, OptionalExtension};
use rusqlite_migration::{M, Migrations};

use super::clock::ServiceClock;
use super::readers::Readers;
use super::writer::Writer;
use super::{Store, StoreInner, connection, files, salvage};
use crate::domain::time::UnixMicros;
use crate::error::{Error, StartError};

/// The database's name within the data folder.
pub(crate) const DATABASE: &str = "checkpoints.db";

/// Each entry is one step of the schema's history and never changes once released.
const MIGRATIONS: [M<'static>; 1] = [M::up(include_str!("schema_001.sql"))];

/// Keeps every other process out of the database while it is held.
#[derive(Debug)]
pub(super) struct DatabaseLock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

/// What checking a database file showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// There is no file yet.
    Absent,
    /// SQLite finds nothing wrong with its structure.
    Intact,
    /// It is damaged; the text is what SQLite says.
    Damaged(String),
}

impl Store {
    /// Opens the database of `data_dir`, making or mending it as needed.
    ///
    /// # Errors
    /// If the folder cannot be written, another process has the database, or a newer SHIM wrote it.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StartError> {
        let folder_error = |source| StartError::DataDir {
            path: data_dir.display().to_string(),
            source,
        };
        shim_runtime::stack::make_private_dir(data_dir).map_err(folder_error)?;
        let lock = lock(data_dir)?;
        let path = data_dir.join(DATABASE);
        if let Integrity::Damaged(what) = check_integrity(&path) {
            quarantine_and_salvage(&path, &what)?;
        }
        let db = open_with_schema(&path)?;
        let clock =
            ServiceClock::starting_after(newest_time(&db).map_err(|e| unusable(&path, &e))?);
        let writer = Writer::start(path.clone(), db, clock.clone()).map_err(folder_error)?;
        Ok(Self {
            inner: Arc::new(StoreInner {
                writer,
                readers: Readers::new(path),
                clock,
                _lock: lock,
            }),
        })
    }
}

fn lock(data_dir: &Path) -> Result<DatabaseLock, StartError> {
    let path = data_dir.join("checkpoints.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| StartError::DataDir {
            path: data_dir.display().to_string(),
            source,
        })?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(DatabaseLock(lock)),
        Err(_) => Err(StartError::InUse(data_dir.display().to_string())),
    }
}

/// Checks a database's structure, reading all of it; about a second for a gigabyte.
#[must_use]
pub fn check_integrity(path: &Path) -> Integrity {
    if !path.exists() {
        return Integrity::Absent;
    }
    let check = || -> rusqlite::Result<String> {
        // A writer connection replays the log first, as any start would.
        let db = Connection::open(path)?;
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    match check() {
        Ok(verdict) if verdict == "ok" => Integrity::Intact,
        Ok(verdict) => Integrity::Damaged(verdict),
        Err(error) => match Error::from(error) {
            Error::Damaged(_) => Integrity::Damaged("the file is not a readable database".into()),
            // Not damage but trouble (no permission, no disk): opening will tell.
            _ => Integrity::Intact,
        },
    }
}

fn open_with_schema(path: &Path) -> Result<Connection, StartError> {
    files::ensure_private(path).map_err(|source| StartError::DataDir {
        path: path.display().to_string(),
        source,
    })?;
    let mut db =
        connection::open_writer(path).map_err(|error| unusable(path, &Error::from(error)))?;
    Migrations::from_slice(&MIGRATIONS)
        .to_latest(&mut db)
        .map_err(|error| {
            let reason = match error {
                rusqlite_migration::Error::MigrationDefinition(_) => {
                    "a newer version of SHIM wrote it; update SHIM or choose another --data-dir"
                        .to_owned()
                }
                other => other.to_string(),
            };
            StartError::Database {
                path: path.display().to_string(),
                reason,
            }
        })?;
    Ok(db)
}

fn unusable(path: &Path, error: &Error) -> StartError {
    StartError::Database {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// Moves the damaged files away, untouched, and carries what can be read into a new database.
fn quarantine_and_salvage(path: &Path, what: &str) -> Result<(), StartError> {
    let quarantine = quarantine_path(path);
    tracing::error!(damage = what, set_aside = %quarantine.display(), "THE DATABASE IS DAMAGED; it is set aside and what can be read is carried over");
    for (from, to) in files::database_files(path)
        .into_iter()
        .zip(files::database_files(&quarantine))
    {
        match std::fs::rename(&from, &to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StartError::DataDir {
                    path: from.display().to_string(),
                    source: e,
                });
            }
            _ => {}
        }
    }
    let mut db = open_with_schema(path)?;
    let report =
        salvage::copy_intact(&quarantine, &mut db).map_err(|error| unusable(path, &error))?;
    tracing::error!(
        sessions = report.sessions,
        checkpoints = report.checkpoints,
        signals = report.signals,
        unreadable_rows = report.unreadable,
        "carried over from the damaged database; keep the file set aside until you have looked at what is missing"
    );
    Ok(())
}

fn quarantine_path(path: &Path) -> PathBuf {
    let unix_seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (0..)
        .map(|n| path.with_extension(format!("damaged-{}.db", unix_seconds + n)))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension("damaged.db"))
}

/// The newest time in the database. Rows are in the order of time, so the last of each table is enough.
fn newest_time(db: &Connection) -> Result<Option<UnixMicros>, Error> {
    let mut newest = None;
    for sql in [
        "SELECT max(updated_at) FROM sessions",
        "SELECT created_at FROM checkpoints ORDER BY row_id DESC LIMIT 1",
        "SELECT created_at FROM signals ORDER BY row_id DESC LIMIT 1",
    ] {
        let found: Option<Option<i64>> = db.query_row(sql, [], |row| row.get(0)).optional()?;
        newest = newest.max(found.flatten().map(UnixMicros));
    }
    Ok(newest)
}
