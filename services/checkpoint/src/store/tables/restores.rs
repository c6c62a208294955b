//! Restores and how they went.

use rusqlite::{Connection, OptionalExtension, params};
use shim_runtime::ids::Epoch;
use uuid::Uuid;

use super::column::to_column;
use crate::error::Error;
use shim_sqlite::UnixMicros;

/// Notes a restore; answers with its id.
pub(crate) fn insert(
    db: &Connection,
    session: i64,
    number: u64,
    epoch: Epoch,
    now: UnixMicros,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    db.prepare_cached(
        "INSERT INTO restores (id, session, number, epoch, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        id.as_bytes(),
        session,
        to_column(number),
        to_column(epoch.0),
        now.0
    ])?;
    Ok(id)
}

/// Keeps the outcome; answers with the session's row.
pub(crate) fn record_outcome(
    db: &Connection,
    id: Uuid,
    fidelity: f64,
    notes: &str,
) -> Result<i64, Error> {
    db.prepare_cached(
        "UPDATE restores SET fidelity = ?2, notes = ?3 WHERE id = ?1 RETURNING session",
    )?
    .query_row(params![id.as_bytes(), fidelity, notes], |row| row.get(0))
    .optional()?
    .ok_or_else(|| Error::RestoreNotFound(id.to_string()))
}
