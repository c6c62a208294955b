//! The full-text index: derived data that trails the checkpoints and is caught up before a search answers.
//!
//! Saving does not wait for it. It keeps only words; what a search shows comes from the verified checkpoint.

use rusqlite::{Connection, params};

use super::checkpoints::{self, CheckpointRow};
use crate::domain::snippet::searchable_texts;
use crate::error::Error;

/// Rows indexed in one transaction while idle: a save that comes meanwhile waits for it.
const BATCH: u32 = 64;

/// Indexes some rows if any wait; called when nothing else is to be written.
pub(crate) fn catch_up_when_idle(db: &Connection) -> Result<(), Error> {
    if pending(db)? == 0 {
        return Ok(());
    }
    db.execute_batch("BEGIN IMMEDIATE")?;
    let indexed = index_batch(db, BATCH);
    db.execute_batch(if indexed.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    })?;
    indexed.map(|_| ())
}

/// Rows saved since the index was last caught up (an upper bound: deleted rows count too).
fn pending(db: &Connection) -> Result<i64, Error> {
    Ok(db
        .prepare_cached(
            "SELECT coalesce(max(row_id), 0) - (SELECT done FROM search_progress) FROM checkpoints",
        )?
        .query_row([], |row| row.get(0))?)
}

/// Indexes up to `limit` rows; answers whether more wait. Runs within the caller's transaction.
pub(crate) fn index_batch(db: &Connection, limit: u32) -> Result<bool, Error> {
    let done: i64 = db
        .prepare_cached("SELECT done FROM search_progress")?
        .query_row([], |row| row.get(0))?;
    let rows = checkpoints::after_row(db, done, limit)?;
    for row in &rows {
        // What is damaged or thinned has no words to find.
        if let Ok((_, state)) = row.decode() {
            let words = searchable_texts(&state).collect::<Vec<_>>().join("\n");
            db.prepare_cached("INSERT OR REPLACE INTO search (rowid, words) VALUES (?1, ?2)")?
                .execute(params![row.row_id, words])?;
        }
    }
    if let Some(last) = rows.last() {
        db.prepare_cached("UPDATE search_progress SET done = ?1")?
            .execute([last.row_id])?;
    }
    Ok(rows.len() as u32 == limit)
}

/// Takes rows out of the index before they are thinned or deleted.
pub(crate) fn remove_session(db: &Connection, session: i64) -> Result<(), Error> {
    db.prepare_cached(
        "DELETE FROM search WHERE rowid IN (SELECT row_id FROM checkpoints WHERE session = ?1)",
    )?
    .execute([session])?;
    Ok(())
}

/// Takes one row out of the index.
pub(crate) fn remove(db: &Connection, row_id: i64) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM search WHERE rowid = ?1")?
        .execute([row_id])?;
    Ok(())
}

/// Where to search.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchScope {
    pub(crate) project: Option<String>,
    pub(crate) session: Option<i64>,
}

/// Rows that hold the words of an FTS5 query, best first; equally good ones newest first.
pub(crate) fn find(
    db: &Connection,
    fts5_query: &str,
    scope: &SearchScope,
    limit: u32,
) -> Result<Vec<CheckpointRow>, Error> {
    let ids: Vec<i64> = db
        .prepare_cached(
            "SELECT search.rowid FROM search
             JOIN checkpoints ON checkpoints.row_id = search.rowid
             JOIN sessions ON sessions.row_id = checkpoints.session
             WHERE search MATCH ?1 AND (?2 IS NULL OR sessions.project = ?2) AND (?3 IS NULL OR sessions.row_id = ?3)
             ORDER BY search.rank, search.rowid DESC LIMIT ?4",
        )?
        .query_map(params![fts5_query, scope.project, scope.session, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    ids.into_iter()
        .map(|row_id| checkpoints::by_row(db, row_id))
        .collect()
}
