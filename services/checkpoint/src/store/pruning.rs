//! Dropping what has served its time: contents by retention or on request, whole sessions on request only.
//! Every deletion leaves a row in `deletions`.

use rusqlite::{Connection, params};

use super::checkpoints::to_column;
use super::count;
use super::search;
use super::sessions::{self, Stored};
use crate::domain::moment::Moment;
use crate::error::Error;
use crate::measure;

/// Checkpoints of a session that still have their content: (number, time), ascending.
pub(crate) fn contents(db: &Connection, session: i64) -> Result<Vec<(u64, Moment)>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT number, created_at FROM checkpoints WHERE session = ?1 AND thinned_at IS NULL ORDER BY number",
    )?;
    let rows = statement.query_map([session], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), Moment(row.get(1)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What was dropped.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Dropped {
    pub(crate) checkpoints: u64,
    pub(crate) bytes: u64,
}

/// Drops the contents of these checkpoints; headers and hashes stay.
pub(crate) fn thin(
    db: &Connection,
    stored: &Stored,
    numbers: &[u64],
    reason: &str,
    now: Moment,
) -> Result<Dropped, Error> {
    let mut dropped = Dropped::default();
    for number in numbers {
        let row: Result<(i64, i64), _> = db
            .prepare_cached(
                "SELECT row_id, coalesce(length(state), 0) FROM checkpoints
                 WHERE session = ?1 AND number = ?2 AND thinned_at IS NULL",
            )?
            .query_row(params![stored.row_id, to_column(*number)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
        let Ok((row_id, bytes)) = row else { continue };
        search::forget(db, row_id)?;
        db.prepare_cached(
            "UPDATE checkpoints SET state = NULL, thinned_at = ?2 WHERE row_id = ?1",
        )?
        .execute(params![row_id, now.0])?;
        dropped.checkpoints += 1;
        dropped.bytes += bytes.unsigned_abs();
    }
    if dropped.checkpoints > 0 {
        count(move || measure::pruned(dropped.checkpoints));
        note(db, stored, reason, dropped, now)?;
    }
    Ok(dropped)
}

/// Deletes a session with all it holds.
pub(crate) fn delete_session(
    db: &Connection,
    stored: &Stored,
    reason: &str,
    now: Moment,
) -> Result<Dropped, Error> {
    let (checkpoints, contents, bytes): (i64, i64, i64) = db
        .prepare_cached(
            "SELECT count(*), count(state), coalesce(sum(length(state)), 0) FROM checkpoints WHERE session = ?1",
        )?
        .query_row([stored.row_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let dropped = Dropped {
        checkpoints: checkpoints.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
    };
    search::forget_session(db, stored.row_id)?;
    sessions::delete(db, stored.row_id)?;
    count(move || measure::pruned(contents.unsigned_abs()));
    note(db, stored, reason, dropped, now)?;
    Ok(dropped)
}

fn note(
    db: &Connection,
    stored: &Stored,
    reason: &str,
    dropped: Dropped,
    now: Moment,
) -> Result<(), Error> {
    let id = uuid::Uuid::parse_str(&stored.session.id).unwrap_or_default();
    db.prepare_cached("INSERT INTO deletions (created_at, reason, session, checkpoints, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![now.0, reason, id.as_bytes(), to_column(dropped.checkpoints), to_column(dropped.bytes)])?;
    Ok(())
}

/// Gives freed pages back to the file system, up to `pages` of them.
pub(crate) fn give_back_space(db: &Connection, pages: u32) -> Result<(), Error> {
    // The pragma answers a row for each page.
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
