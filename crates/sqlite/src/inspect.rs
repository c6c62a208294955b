//! One verdict on a database file, for its opening and for whoever only looks.

use std::path::Path;

use rusqlite::Connection;

use crate::error::SqliteError;
use crate::files::database_files;
use crate::lock::Record;
use crate::schema::Schema;

/// What checking a database file showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrity {
    /// There is no file yet, or an empty one that nothing was ever written to.
    Absent,
    /// SQLite finds nothing wrong with its structure.
    Intact,
    /// It is damaged; the text is what SQLite says.
    Damaged(String),
    /// A service refuses to open it, although it is not damaged; the text says why.
    Refused(String),
}

/// Checks a database's structure, reading all of it; about a second for a gigabyte.
#[must_use]
pub fn check_integrity(path: &Path) -> Integrity {
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Integrity::Absent,
        Err(error) => return Integrity::Refused(format!("it cannot be reached: {error}")),
        Ok(meta) if meta.is_dir() => return Integrity::Refused("it is a folder".into()),
        Ok(meta) if !meta.is_file() => return Integrity::Refused("it is no file".into()),
        // SQLite takes an empty file for a new database.
        Ok(meta) if meta.len() == 0 => return of_empty_file(path),
        Ok(_) => {}
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

/// An empty file is the beginning of a database unless there was one: its log is beside it, or its lock says so.
fn of_empty_file(path: &Path) -> Integrity {
    let [_, log, _] = database_files(path);
    let has_log = log.metadata().is_ok_and(|meta| meta.len() > 0);
    if has_log || Record::beside(path).was_opened {
        return Integrity::Damaged("the file is empty, and was not: its contents are gone".into());
    }
    Integrity::Absent
}

/// Whether a database was opened at `path` before, so that none there is a loss.
#[must_use]
pub fn was_opened(path: &Path) -> bool {
    Record::beside(path).was_opened
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
    if version == 0 {
        let tables: i64 = db
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(said)?;
        if tables > 0 {
            return Err("another program wrote it: it has tables, and none of SHIM's".to_owned());
        }
    }
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
