//! Opening a database: the integrity check, the schema, and what happens to a damaged file.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::clock::ServiceClock;
use crate::database::Database;
use crate::error::{OpenError, SqliteError};
use crate::lock::DatabaseLock;
use crate::readers::Readers;
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
        let db = open_with_schema(schema, &path)?;
        let newest = (schema.newest_time)(&db).map_err(|e| OpenError::database(&path, &e))?;
        let clock = ServiceClock::starting_after(newest);
        let writer = Writer::start(schema, path.clone(), db, clock.clone())
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        Ok(Self {
            writer,
            readers: Readers::new(path),
            clock,
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
            // Trouble that is no damage (no permission, no disk) shows when the database is opened.
            _ => Integrity::Intact,
        },
    }
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
    let quarantine = quarantine_path(path);
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

fn quarantine_path(path: &Path) -> PathBuf {
    let unix_seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (0..)
        .map(|n| path.with_extension(format!("damaged-{}.db", unix_seconds + n)))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension("damaged.db"))
}
