//! What was observed of each session: a sealed record, and beside it the summary of the last compaction.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};

use super::column;
use crate::domain::hash_chain;
use crate::domain::observation::Observation;
use crate::error::Error;
use crate::metrics;
use shim_sqlite::UnixMicros;

/// What was observed of the session in this row; `None` if nothing was. A damaged record is logged, and read as nothing.
pub(crate) fn find(db: &Connection, session: i64) -> Result<Option<Observation>, Error> {
    let record = whole(
        db,
        "SELECT record, hash FROM observations WHERE row_id = ?1",
        session,
    )?;
    let decoded = record.and_then(|record| Observation::decode(record.as_slice()).ok());
    let Some(mut observation) = decoded else {
        return Ok(None);
    };
    let sql = "SELECT text, hash FROM compaction_summaries WHERE row_id = ?1";
    let summary = whole(db, sql, session)?.and_then(|text| String::from_utf8(text).ok());
    observation.compaction_summary = summary.unwrap_or_default();
    Ok(Some(observation))
}

/// The record of a row, if its hash holds.
fn whole(db: &Connection, sql: &str, session: i64) -> Result<Option<Vec<u8>>, Error> {
    let found = db
        .prepare_cached(sql)?
        .query_row([session], |row| {
            let record = column::bytes(row, 0)?.unwrap_or_default();
            let hash = column::bytes(row, 1)?.unwrap_or_default();
            let is_whole = hash_chain::hash(record) == hash;
            Ok(is_whole.then(|| record.to_vec()))
        })
        .optional()?;
    if found == Some(None) {
        tracing::error!(
            session,
            "what was observed of a session is damaged; it begins anew"
        );
        metrics::record_damage();
    }
    Ok(found.flatten())
}

/// Keeps it; the summary only if it is another one than `before`.
pub(crate) fn put(
    db: &Connection,
    session: i64,
    observation: &mut Observation,
    before: &str,
) -> Result<(), Error> {
    let summary = std::mem::take(&mut observation.compaction_summary);
    let record = observation.encode_to_vec();
    db.prepare_cached(
        "INSERT OR REPLACE INTO observations (row_id, record, hash) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![session, record, hash_chain::hash(&record)])?;
    if summary != before {
        db.prepare_cached(
            "INSERT OR REPLACE INTO compaction_summaries (row_id, text, hash) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![
            session,
            summary,
            hash_chain::hash(summary.as_bytes())
        ])?;
    }
    observation.compaction_summary = summary;
    Ok(())
}

/// Notes that a checkpoint holds what `packed`, an earlier moment of it, knew.
pub(crate) fn mark_saved(
    db: &Connection,
    session: i64,
    packed: &Observation,
    now: UnixMicros,
) -> Result<(), Error> {
    let Some(mut newest) = find(db, session)? else {
        return Ok(());
    };
    newest.mark_saved(packed, now.0);
    let summary = newest.compaction_summary.clone();
    put(db, session, &mut newest, &summary)
}

/// The rows of active sessions of which something was observed.
pub(crate) fn of_active(db: &Connection) -> Result<Vec<i64>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT sessions.row_id FROM sessions JOIN observations ON observations.row_id = sessions.row_id
         WHERE status = 1 ORDER BY sessions.row_id",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
