//! What a session's record says of its other rows: how many signals there are, in which order, and how many contents were
//! dropped. What is gone from those tables is told by it.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::SessionTally;

use super::column;
use super::stored_session::StoredSession;
use crate::domain::hash_chain::{self, Hash};
use crate::error::Error;

/// Counts a signal snapshot that is about to be inserted. The caller writes the session back.
pub(crate) fn add_signal(
    db: &Connection,
    stored: &mut StoredSession,
    hash: &Hash,
) -> Result<(), Error> {
    begin(db, stored)?;
    let tally = stored.session.tally.get_or_insert_default();
    tally.signals += 1;
    tally.signals_hash = hash_chain::next_hash(&tally.signals_hash, hash).to_vec();
    Ok(())
}

/// Counts contents that were dropped since [`begin`]. The caller writes the session back.
pub(crate) fn add_thinned(stored: &mut StoredSession, contents: u64) {
    stored.session.tally.get_or_insert_default().thinned += contents;
}

/// Counts the rows of a session whose record has no tally yet; called before they change.
pub(crate) fn begin(db: &Connection, stored: &mut StoredSession) -> Result<(), Error> {
    if stored.session.tally.is_none() {
        stored.session.tally = Some(count(db, stored.row_id)?);
    }
    Ok(())
}

fn count(db: &Connection, session: i64) -> Result<SessionTally, Error> {
    let thinned: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM checkpoints WHERE session = ?1 AND thinned_at IS NOT NULL",
        )?
        .query_row([session], |row| row.get(0))?;
    let mut tally = SessionTally {
        thinned: thinned.unsigned_abs(),
        ..SessionTally::default()
    };
    let mut statement =
        db.prepare_cached("SELECT hash FROM signals WHERE session = ?1 ORDER BY row_id")?;
    let mut rows = statement.query([session])?;
    while let Some(row) = rows.next()? {
        let hash = column::bytes(row, 0)?.unwrap_or_default();
        tally.signals += 1;
        tally.signals_hash = hash_chain::next_hash(&tally.signals_hash, hash).to_vec();
    }
    Ok(tally)
}
