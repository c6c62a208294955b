//! Dropping what has served its time: contents by retention or on request, whole sessions on request only.
//! Every deletion leaves a row in `deletions`.

use rusqlite::{Connection, params};

use super::column::to_column;
use super::search;
use super::segments;
use super::sessions;
use super::stored_session::StoredSession;
use super::tally;
use crate::error::Error;
use crate::metrics;
use shim_sqlite::{UnixMicros, to_unix_micros};

/// Checkpoints of a session that still have their content: (number, time), ascending.
pub(crate) fn contents(db: &Connection, session: i64) -> Result<Vec<(u64, UnixMicros)>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT number, created_at FROM checkpoints WHERE session = ?1 AND thinned_at IS NULL ORDER BY number",
    )?;
    let rows = statement.query_map([session], |row| {
        Ok((
            row.get::<_, i64>(0)?.unsigned_abs(),
            UnixMicros(row.get(1)?),
        ))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What was dropped.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct PruneStats {
    pub(crate) checkpoints: u64,
    pub(crate) bytes: u64,
}

/// Drops the contents of these checkpoints; headers and hashes stay.
pub(crate) fn thin(
    db: &Connection,
    stored: &StoredSession,
    numbers: &[u64],
    reason: &str,
    now: UnixMicros,
) -> Result<PruneStats, Error> {
    let mut dropped = PruneStats::default();
    let (mut session, mut had_segments) = (begin_tally(db, stored), false);
    for number in numbers {
        let Ok((row_id, bytes, has_segments)) = content(db, stored, *number)? else {
            continue;
        };
        had_segments |= has_segments;
        search::remove(db, row_id)?;
        db.prepare_cached(
            "UPDATE checkpoints SET state = NULL, thinned_at = ?2 WHERE row_id = ?1",
        )?
        .execute(params![row_id, now.0])?;
        dropped.checkpoints += 1;
        dropped.bytes += bytes.unsigned_abs();
    }
    if had_segments {
        dropped.bytes += segments::sweep(db, stored.row_id)?;
    }
    if dropped.checkpoints > 0 {
        if let Some(session) = &mut session {
            count_thinned(db, session, dropped.checkpoints, now)?;
        }
        metrics::after_commit(move || metrics::record_pruned(dropped.checkpoints));
        record_deletion(db, stored, reason, dropped, now)?;
    }
    Ok(dropped)
}

/// The row of a checkpoint that has its content, the content's bytes, and whether it names segments.
fn content(
    db: &Connection,
    stored: &StoredSession,
    number: u64,
) -> Result<rusqlite::Result<(i64, i64, bool)>, Error> {
    let mut query = db.prepare_cached(
        "SELECT row_id, coalesce(length(state), 0), coalesce(substr(state, 1, 1) = x'01', 0) FROM checkpoints
         WHERE session = ?1 AND number = ?2 AND thinned_at IS NULL",
    )?;
    Ok(
        query.query_row(params![stored.row_id, to_column(number)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        }),
    )
}

/// The session as it is now, with its tally: it may have changed since the caller looked. That of a damaged one cannot be kept.
fn begin_tally(db: &Connection, stored: &StoredSession) -> Option<StoredSession> {
    let mut session = sessions::by_row(db, stored.row_id).ok()?;
    tally::begin(db, &mut session).ok()?;
    Some(session)
}

/// Counts dropped contents; the time of the session's last change stays.
fn count_thinned(
    db: &Connection,
    session: &mut StoredSession,
    contents: u64,
    now: UnixMicros,
) -> Result<(), Error> {
    tally::add_thinned(session, contents);
    let unchanged = to_unix_micros(session.session.updated_at.as_ref());
    sessions::update(db, session, unchanged.unwrap_or(now))
}

/// Deletes a session with all it holds.
pub(crate) fn delete_session(
    db: &Connection,
    stored: &StoredSession,
    reason: &str,
    now: UnixMicros,
) -> Result<PruneStats, Error> {
    let (checkpoints, contents, bytes): (i64, i64, i64) = db
        .prepare_cached(
            "SELECT count(*), count(state), coalesce(sum(length(state)), 0) FROM checkpoints WHERE session = ?1",
        )?
        .query_row([stored.row_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let dropped = PruneStats {
        checkpoints: checkpoints.unsigned_abs(),
        bytes: bytes.unsigned_abs() + segments::stored_bytes(db, stored.row_id)?,
    };
    search::remove_session(db, stored.row_id)?;
    sessions::delete(db, stored.row_id)?;
    search::forget_reusable_rows(db)?;
    metrics::after_commit(move || metrics::record_pruned(contents.unsigned_abs()));
    record_deletion(db, stored, reason, dropped, now)?;
    Ok(dropped)
}

fn record_deletion(
    db: &Connection,
    stored: &StoredSession,
    reason: &str,
    dropped: PruneStats,
    now: UnixMicros,
) -> Result<(), Error> {
    let id = uuid::Uuid::parse_str(&stored.session.id).unwrap_or_default();
    db.prepare_cached("INSERT INTO deletions (created_at, reason, session, checkpoints, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![now.0, reason, id.as_bytes(), to_column(dropped.checkpoints), to_column(dropped.bytes)])?;
    Ok(())
}

/// Gives freed pages back to the file system, up to `pages` of them.
pub(crate) fn incremental_vacuum(db: &Connection, pages: u32) -> Result<(), Error> {
    // The pragma answers a row for each page.
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// How many pages of the file hold nothing.
pub(crate) fn free_pages(db: &Connection) -> Result<u64, Error> {
    let pages: i64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    Ok(pages.unsigned_abs())
}
