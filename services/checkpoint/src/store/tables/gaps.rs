//! Numbers of checkpoints that should be there and are not: what a damaged database or an older backup left out.

use rusqlite::Connection;

use super::column::to_column;
use super::sessions;
use super::stored_session::StoredSession;
use crate::error::Error;

/// So many are named; the rest is counted.
const MAX_NAMED: usize = 20;
/// Sessions looked at in one query.
const BATCH: u32 = 500;

/// What is missing of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingNumbers {
    /// The session.
    pub session_id: String,
    /// How many there are.
    pub count: u64,
    /// The lowest of them.
    pub first: Vec<u64>,
}

/// The numbers up to the session's newest that have no row, and those that a row above it skips.
pub(crate) fn of_session(
    db: &Connection,
    stored: &StoredSession,
) -> Result<Option<MissingNumbers>, Error> {
    let head = stored.session.head_number;
    let (rows, highest): (i64, i64) = db
        .prepare_cached(
            "SELECT count(*), coalesce(max(number), 0) FROM checkpoints WHERE session = ?1",
        )?
        .query_row([stored.row_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last = head.max(highest.unsigned_abs());
    let count = last.saturating_sub(rows.unsigned_abs());
    if count == 0 {
        return Ok(None);
    }
    Ok(Some(MissingNumbers {
        session_id: stored.session.id.clone(),
        count,
        first: lowest(db, stored.row_id, last)?,
    }))
}

/// The lowest numbers up to `last` that have no row.
fn lowest(db: &Connection, session: i64, last: u64) -> Result<Vec<u64>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT number FROM checkpoints WHERE session = ?1 AND number <= ?2 ORDER BY number",
    )?;
    let mut rows = statement.query((session, to_column(last)))?;
    let (mut missing, mut next) = (Vec::new(), 1);
    while missing.len() < MAX_NAMED && next <= last {
        let present = match rows.next()? {
            Some(row) => row.get::<_, i64>(0)?.unsigned_abs(),
            None => last + 1,
        };
        missing.extend((next..present).take(MAX_NAMED - missing.len()));
        next = present + 1;
    }
    Ok(missing)
}

/// What is missing of each session of the database.
pub(crate) fn of_all(db: &Connection) -> Result<Vec<MissingNumbers>, Error> {
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let batch = sessions::after_row(db, after, BATCH)?;
        let Some(last) = batch.last() else {
            return Ok(found);
        };
        after = last.row_id;
        for stored in &batch {
            found.extend(of_session(db, stored)?);
        }
    }
}
