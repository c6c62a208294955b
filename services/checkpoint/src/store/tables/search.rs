//! The full-text index: derived data that trails the checkpoints and is caught up before a search answers.
//!
//! Saving does not wait for it. It keeps only words; what a search shows comes from the verified checkpoint.

use std::time::Instant;

use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::checkpoints::{self, CheckpointRow};
use super::projects::ProjectNames;
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
        if let Ok((_, state)) = row.decode(db) {
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

/// After the last rows were deleted: their places are taken again by rows that are not indexed yet.
pub(crate) fn forget_reusable_rows(db: &Connection) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE search_progress SET done = min(done, (SELECT coalesce(max(row_id), 0) FROM checkpoints))",
    )?
    .execute([])?;
    Ok(())
}

/// Rows of one step of a scan.
const SCAN_STEP: u32 = 128;

/// What a visitor says of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// It wants more rows.
    GoOn,
    /// It has what it wants.
    Enough,
}

/// Where to search.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchScope {
    pub(crate) project: Option<ProjectNames>,
    pub(crate) session: Option<i64>,
}

impl SearchScope {
    /// The condition on the tables `checkpoints` and `sessions`, whose parameters begin with number 3.
    fn condition(&self) -> String {
        let project = self.project.as_ref();
        let project = project.map(|names| names.condition("sessions.project", 4));
        format!(
            "(?3 IS NULL OR sessions.row_id = ?3) AND {}",
            project.unwrap_or_else(|| "1".to_owned())
        )
    }

    fn parameters(&self) -> impl Iterator<Item = &dyn ToSql> {
        let session: &dyn ToSql = &self.session;
        let names = self.project.iter().flat_map(ProjectNames::parameters);
        std::iter::once(session).chain(names)
    }
}

/// Rows that hold the words of an FTS5 query, best first; equally good ones newest first.
pub(crate) fn find(
    db: &Connection,
    fts5_query: &str,
    scope: &SearchScope,
    limit: u32,
) -> Result<Vec<CheckpointRow>, Error> {
    let sql = format!(
        "SELECT search.rowid FROM search
         JOIN checkpoints ON checkpoints.row_id = search.rowid
         JOIN sessions ON sessions.row_id = checkpoints.session
         WHERE search MATCH ?1 AND {}
         ORDER BY search.rank, search.rowid DESC LIMIT ?2",
        scope.condition()
    );
    let fixed: [&dyn ToSql; 2] = [&fts5_query, &limit];
    let parameters = params_from_iter(fixed.into_iter().chain(scope.parameters()));
    let ids: Vec<i64> = db
        .prepare_cached(&sql)?
        .query_map(parameters, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    ids.into_iter()
        .map(|row_id| checkpoints::by_row(db, row_id))
        .collect()
}

/// Hands every row with a content to `visit`, newest first, until it says that it has enough or the time is over. Answers
/// whether all rows were seen that it wanted to see.
pub(crate) fn scan(
    db: &Connection,
    scope: &SearchScope,
    deadline: Instant,
    mut visit: impl FnMut(CheckpointRow) -> Scan,
) -> Result<bool, Error> {
    let sql = format!(
        "SELECT {} FROM checkpoints
         JOIN sessions ON sessions.row_id = checkpoints.session
         WHERE checkpoints.row_id < ?1 AND checkpoints.thinned_at IS NULL AND {}
         ORDER BY checkpoints.row_id DESC LIMIT ?2",
        checkpoints::QUALIFIED_COLUMNS,
        scope.condition()
    );
    let mut statement = db.prepare_cached(&sql)?;
    // In steps, so that no read stays open for seconds: the log of the database could not be taken over meanwhile.
    let mut before = i64::MAX;
    loop {
        let fixed: [&dyn ToSql; 2] = [&before, &SCAN_STEP];
        let parameters = params_from_iter(fixed.into_iter().chain(scope.parameters()));
        let mut rows = statement.query(parameters)?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            let row = CheckpointRow::from_row(row)?;
            (before, seen) = (row.row_id, seen + 1);
            if visit(row) == Scan::Enough {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
        if seen < SCAN_STEP {
            return Ok(true);
        }
    }
}
