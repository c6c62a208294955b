//! Numbers that have no row, within a part of one session's history.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::column::to_column;
use super::stored_session::StoredSession;
use crate::error::Error;

/// So many of one session are told at a time.
const MAX_TOLD: usize = 1_000;

/// The numbers between a checkpoint and the session's newest that have no row, the newest first; a damaged database leaves
/// few.
pub(crate) fn above(
    db: &Connection,
    stored: &StoredSession,
    number: u64,
) -> Result<Vec<u64>, Error> {
    let head = stored.session.head_number;
    let mut statement = db.prepare_cached(
        "SELECT number FROM checkpoints WHERE session = ?1 AND number > ?2 ORDER BY number",
    )?;
    let rows = statement.query_map((stored.row_id, to_column(number)), |row| {
        row.get::<_, i64>(0)
    })?;
    let present: BTreeSet<u64> = rows
        .map(|row| row.map(i64::unsigned_abs))
        .collect::<Result<_, _>>()?;
    Ok(within(&present, number.saturating_add(1), head))
}

/// The numbers from `lowest` to `newest` that are not present, the newest first.
pub(crate) fn within(present: &BTreeSet<u64>, lowest: u64, newest: u64) -> Vec<u64> {
    let numbers = (lowest..=newest).rev();
    let missing = numbers.filter(|number| !present.contains(number));
    missing.take(MAX_TOLD).collect()
}
