//! Opening a database: the verdict on the file, the schema, and what happens to a damaged one.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::clock::ServiceClock;
use crate::database::Database;
use crate::error::{OpenError, SqliteError};
use crate::guard::{FileGuard, OpeningId, new_opening_id};
use crate::inspect::{Integrity, inspect};
use crate::lock::{DatabaseLock, Record};
use crate::readers::Readers;
use crate::rescue::{self, OpenedFiles};
use crate::reserve::Reserve;
use crate::schema::Schema;
use crate::set_aside::DAMAGED;
use crate::writer::Writer;
use crate::{connection, files};

impl Database {
    /// Opens the database of the folder `data_dir`, which exists. Makes, migrates or salvages the file as needed. Blocks:
    /// the integrity check reads all of the file.
    ///
    /// # Errors
    /// If the folder cannot be written, another process has the database, or a newer SHIM wrote it.
    pub fn open(schema: &'static Schema, data_dir: &Path) -> Result<Self, OpenError> {
        let lock = Arc::new(DatabaseLock::take(schema, data_dir)?);
        let path = schema.database_path(data_dir);
        let record = lock.record();
        if record.was_replaced {
            rescue::set_logs_aside(&path, &files::database_files(&path)[1..])
                .map_err(|error| OpenError::data_dir(&path, error))?;
        }
        let opened_as = new_opening_id();
        let mut reserve = Reserve::of(schema, data_dir);
        // Looking and opening need some room of their own.
        let verdict = match inspect(schema, &path) {
            Integrity::Refused(_) if reserve.give_up_if_short() => inspect(schema, &path),
            verdict => verdict,
        };
        match verdict {
            Integrity::Damaged(what) => quarantine_and_salvage(schema, &path, &what)?,
            Integrity::Refused(why) => return Err(OpenError::database(&path, &why)),
            Integrity::Absent if record.was_opened && !path.exists() => {
                tracing::error!(database = %path.display(), "THE DATABASE THAT WAS HERE IS GONE; an empty one is begun");
            }
            Integrity::Absent | Integrity::Intact => {}
        }
        let db = open_with_schema(schema, &path, opened_as).or_else(|refused| {
            if reserve.give_up_if_short() {
                return open_with_schema(schema, &path, opened_as);
            }
            Err(refused)
        })?;
        // A disk may fill up before the writer is idle for the first time.
        reserve.restore_in_time();
        let newest = (schema.newest_time)(&db).map_err(|e| OpenError::database(&path, &e))?;
        let clock = ServiceClock::starting_after(newest);
        let guard = FileGuard::of(&path, &db, opened_as)
            .map_err(|source| OpenError::data_dir(&path, source))?;
        let guard = Arc::new(guard);
        lock.note(Record {
            was_opened: true,
            was_replaced: false,
        });
        let opened = OpenedFiles {
            path: path.clone(),
            guard: Arc::clone(&guard),
            lock: Arc::clone(&lock),
        };
        let writer = Writer::start(schema, opened, db, clock.clone(), reserve)
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        Ok(Self {
            readers: Readers::new(path, guard, writer.failure()),
            writer,
            clock,
            name: schema.name,
            data_dir: data_dir.to_path_buf(),
            _lock: lock,
        })
    }
}

fn open_with_schema(
    schema: &Schema,
    path: &Path,
    opened_as: OpeningId,
) -> Result<Connection, OpenError> {
    files::ensure_private(path).map_err(|source| OpenError::data_dir(path, source))?;
    let unusable = |error: rusqlite::Error| OpenError::database(path, &SqliteError::from(error));
    if path.metadata().is_ok_and(|meta| meta.len() == 0) {
        connection::begin(path, opened_as).map_err(unusable)?;
    }
    let mut db = connection::open_writer(path).map_err(unusable)?;
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
    let known: OpeningId = db
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(unusable)?;
    if known != opened_as {
        db.execute_batch(&format!("PRAGMA application_id = {opened_as};"))
            .map_err(unusable)?;
    }
    Ok(db)
}

/// Moves the damaged files away, untouched, and carries what can be read into a new database.
fn quarantine_and_salvage(schema: &Schema, path: &Path, what: &str) -> Result<(), OpenError> {
    let quarantine = files::unused_name(path, DAMAGED);
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
    let mut db = open_with_schema(schema, path, new_opening_id())?;
    let unusable = |error: SqliteError| OpenError::database(path, &error);
    // SQLite removes the log of an empty file, which may hold all there is.
    let from_log =
        rescue::FromLog::of(&quarantine, path).map_err(|error| OpenError::data_dir(path, error))?;
    match &from_log {
        Some(from_log) => (schema.salvage)(from_log.path(), &mut db).map_err(unusable),
        None => (schema.salvage)(&quarantine, &mut db).map_err(unusable),
    }
}
