//! What this service brings to the embedded store: its tables and its hooks.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use shim_sqlite::{Schema, SqliteError, UnixMicros};

use super::salvage;
use super::tables::{gaps, search};
use crate::error::Error;
use crate::metrics;

/// The log names so many sessions that lost checkpoints.
const MAX_TOLD_SESSIONS: usize = 100;

/// The database `checkpoints.db`.
pub(crate) static SCHEMA: Schema = Schema {
    name: "checkpoints",
    migrations: &[
        include_str!("schema_001.sql"),
        include_str!("schema_002.sql"),
        include_str!("schema_003.sql"),
        include_str!("schema_004.sql"),
    ],
    newest_time,
    salvage: salvage_damaged,
    when_idle: |db| search::catch_up_when_idle(db).map_err(to_sqlite_error),
    on_commit: metrics::record_commit,
};

/// The newest time in the database. Rows are in the order of time, so the last of each table is enough.
fn newest_time(db: &Connection) -> Result<Option<UnixMicros>, SqliteError> {
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

fn salvage_damaged(damaged: &Path, db: &mut Connection) -> Result<(), SqliteError> {
    let report = salvage::copy_intact(damaged, db).map_err(to_sqlite_error)?;
    tracing::error!(
        sessions = report.sessions,
        checkpoints = report.checkpoints,
        signals = report.signals,
        unreadable_rows = report.unreadable,
        "carried over from the damaged database; keep the file set aside until you have looked at what is missing: `shim sessions verify` names all of it"
    );
    tell_missing(db).map_err(to_sqlite_error)
}

/// Names the sessions and numbers that did not come over.
fn tell_missing(db: &Connection) -> Result<(), Error> {
    let missing = gaps::of_all(db)?;
    for session in missing.iter().take(MAX_TOLD_SESSIONS) {
        tracing::error!(
            session = session.session_id,
            checkpoints = session.count,
            numbers = ?session.first,
            "checkpoints did not come over from the damaged database"
        );
    }
    if let Some(more @ 1..) = missing.len().checked_sub(MAX_TOLD_SESSIONS) {
        tracing::error!(sessions = more, "more sessions lost checkpoints");
    }
    Ok(())
}

fn to_sqlite_error(error: Error) -> SqliteError {
    match error {
        Error::Store(error) => error,
        other => SqliteError::Unavailable(other.to_string()),
    }
}
