//! Opening a database: the integrity check, the schema, and what happens to a damaged file.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::clock::ServiceClock;
use crate::database::Database;
use crate::error::{OpenError, SqliteError};
use crate::lock::DatabaseLock;
use crate::readers::Readers;
use crate::reserve::Reserve;
use crate::schema::Schema;
use crate::writer::Writer;
use crate::{connection, files};

/// What checking a database file showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// There is no file yet.
    Absent,
    /// SQLite finds nothing wrong with its structure.
    Intact,
    /// It is damaged; the text is what SQLite says.
    Damaged(String),
    /// A service refuses to open it, although it is not damaged; the text says why.
    Refused(String),
}

impl Database {
    /// Opens the database of the folder `data_dir`, which exists. Makes, migrates or salvages the file as needed. Blocks:
    /// the integrity check reads all of the file.
    ///
    /// # Errors
    /// If the folder cannot be written, another process has the database, or a newer SHIM wrote it.
    pub fn open(schema: &'static Schema, data_dir: &Path) -> Result<Self, OpenError> {
        let lock = DatabaseLock::take(schema, data_dir)?;
        let path = schema.database_path(data_dir);
        if let Integrity::Damaged(what) = check_integrity(&path) {
            quarantine_and_salvage(schema, &path, &what)?;
        }
        let mut reserve = Reserve::of(schema, data_dir);
        // Opening needs some room of its own.
        let db = open_with_schema(schema, &path).or_else(|refused| {
            if reserve.give_up_if_short() {
                return open_with_schema(schema, &path);
            }
            Err(refused)
        })?;
        // A disk may fill up before the writer is idle for the first time.
        reserve.restore_in_time();
        let newest = (schema.newest_time)(&db).map_err(|e| OpenError::database(&path, &e))?;
        let clock = ServiceClock::starting_after(newest);
        let writer = Writer::start(schema, path.clone(), db, clock.clone(), reserve)
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        Ok(Self {
            writer,
            readers: Readers::new(path),
            clock,
            name: schema.name,
            data_dir: data_dir.to_path_buf(),
            _lock: lock,
        })
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
        Err(error) => match SqliteError::from(error) {
            SqliteError::Damaged(_) => {
                Integrity::Damaged("the file is not a readable database".into())
            }
            // No permission, no disk, no file: opening is refused for the same.
            other => Integrity::Refused(other.to_string()),
        },
    }
}

/// Checks a database as its opening would, and changes nothing: its structure, and whether its tables are those of the
/// schema or can be brought up to it.
#[must_use]
pub fn inspect(schema: &Schema, path: &Path) -> Integrity {
    match check_integrity(path) {
        Integrity::Intact => match fits(schema, path) {
            Ok(()) => Integrity::Intact,
            Err(why) => Integrity::Refused(why),
        },
        other => other,
    }
}

fn fits(schema: &Schema, path: &Path) -> Result<(), String> {
    let said = |error: rusqlite::Error| SqliteError::from(error).to_string();
    let writable = std::fs::OpenOptions::new().write(true).open(path);
    writable.map_err(|error| format!("it cannot be written: {error}"))?;
    let db = Connection::open(path).map_err(said)?;
    let version: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(said)?;
    let known = schema.migrations.len();
    let Some(missing) = usize::try_from(version)
        .ok()
        .and_then(|version| schema.migrations.get(version..))
    else {
        return Err(format!(
            "a newer version of SHIM wrote it: its schema is {version}, and this program knows {known}"
        ));
    };
    // Rolled back when the connection is dropped.
    db.execute_batch("BEGIN").map_err(said)?;
    for step in missing {
        db.execute_batch(step)
            .map_err(|error| format!("its tables cannot be brought up to date: {error}"))?;
    }
    (schema.newest_time)(&db)
        .and_then(|_| {
            Ok(db
                .prepare("SELECT id, digest, answer, created_at FROM requests")
                .map(drop)?)
        })
        .map_err(|error| format!("it has other tables than SHIM's: {error}"))
}

fn open_with_schema(schema: &Schema, path: &Path) -> Result<Connection, OpenError> {
    files::ensure_private(path).map_err(|source| OpenError::data_dir(path, source))?;
    let mut db = connection::open_writer(path)
        .map_err(|error| OpenError::database(path, &SqliteError::from(error)))?;
    let steps = schema.migrations.iter().map(|step| M::up(step)).collect();
    Migrations::new(steps)
        .to_latest(&mut db)
        .map_err(|error| match error {
            rusqlite_migration::Error::MigrationDefinition(_) => OpenError::database(
                path,
                &"a newer version of SHIM wrote it; update SHIM or choose another --data-dir",
            ),
            other => OpenError::database(path, &other),
        })?;
    Ok(db)
}

/// Moves the damaged files away, untouched, and carries what can be read into a new database.
fn quarantine_and_salvage(schema: &Schema, path: &Path, what: &str) -> Result<(), OpenError> {
    let quarantine = unused_name(path, "damaged");
    tracing::error!(damage = what, set_aside = %quarantine.display(), "THE DATABASE IS DAMAGED; it is set aside and what can be read is carried over");
    for (from, to) in files::database_files(path)
        .into_iter()
        .zip(files::database_files(&quarantine))
    {
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::data_dir(&from, error));
            }
            _ => {}
        }
    }
    let mut db = open_with_schema(schema, path)?;
    (schema.salvage)(&quarantine, &mut db).map_err(|error| OpenError::database(path, &error))
}

/// The files beside the database that hold another one's contents: damaged ones, and those from before a restore. The
/// newest comes first.
#[must_use]
pub fn set_aside(schema: &Schema, data_dir: &Path) -> Vec<PathBuf> {
    let kinds = ["damaged", "before-restore"].map(|kind| format!("{}.{kind}", schema.name));
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".db") && kinds.iter().any(|kind| name.starts_with(kind.as_str()))
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
