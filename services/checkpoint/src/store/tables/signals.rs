//! Signal snapshots: sealed records in the order they came.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};
use shim_proto::checkpoint::v1::{SignalRecord, Signals};

use super::column;
use super::stored_session::StoredSession;
use super::tally;
use crate::domain::hash_chain;
use crate::domain::risk::{RiskHistory, merged};
use crate::error::Error;
use shim_sqlite::{UnixMicros, to_unix_micros};

/// Snapshots a usual latency is the mean of, and how few are too few to tell.
const LATENCY_WINDOW: u32 = 10;
const LATENCY_MINIMUM: usize = 3;
/// Snapshots of the client among which one that the model told is looked for.
const TOLD_WITHIN: u32 = 60;

/// Keeps a snapshot and counts it in its session, which the caller writes back.
pub(crate) fn insert(
    db: &Connection,
    stored: &mut StoredSession,
    record: &SignalRecord,
    at: UnixMicros,
) -> Result<(), Error> {
    let bytes = record.encode_to_vec();
    let hash = hash_chain::hash(&bytes);
    tally::add_signal(db, stored, &hash)?;
    db.prepare_cached(
        "INSERT INTO signals (session, created_at, record, hash) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![stored.row_id, at.0, bytes, hash])?;
    Ok(())
}

fn decode(row: &Row<'_>) -> rusqlite::Result<(i64, Option<SignalRecord>)> {
    let row_id: i64 = row.get(0)?;
    let record = column::bytes(row, 1)?.unwrap_or_default();
    let hash = column::bytes(row, 2)?.unwrap_or_default();
    let intact = hash_chain::hash(record) == hash;
    if !intact {
        tracing::error!(row_id, "a signal row is damaged; it is not served");
    }
    Ok((
        row_id,
        intact.then(|| SignalRecord::decode(record).ok()).flatten(),
    ))
}

/// Up to `limit` snapshots in rows below `before`, newest first, with their rows. Damaged ones are left out.
pub(crate) fn list(
    db: &Connection,
    session: i64,
    before: i64,
    limit: u32,
) -> Result<Vec<(i64, Option<SignalRecord>)>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT row_id, record, hash FROM signals WHERE session = ?1 AND row_id < ?2 ORDER BY row_id DESC LIMIT ?3",
    )?;
    let rows = statement.query_map(params![session, before, limit], decode)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Up to `limit` snapshots in rows above `after`, ascending, with their rows; a damaged one is `None`.
pub(crate) fn after_row(
    db: &Connection,
    session: i64,
    after: i64,
    limit: u32,
) -> Result<Vec<(i64, Option<SignalRecord>)>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT row_id, record, hash FROM signals WHERE session = ?1 AND row_id > ?2 ORDER BY row_id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![session, after, limit], decode)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest snapshot's signals, or none measured. What a client measured leaves out most: beside it stands what the model
/// told last.
pub(crate) fn newest(db: &Connection, session: i64) -> Result<Signals, Error> {
    let mut newest = Signals::default();
    for (_, record) in list(db, session, i64::MAX, TOLD_WITHIN)? {
        let Some(record) = record else { continue };
        newest = merged(newest, &record.signals.unwrap_or_default());
        if !record.observed {
            break;
        }
    }
    Ok(newest)
}

/// What the risk is judged against.
pub(crate) fn history(
    db: &Connection,
    stored: &StoredSession,
    now: UnixMicros,
) -> Result<RiskHistory, Error> {
    let session = &stored.session;
    let last_checkpoint = to_unix_micros(session.last_checkpoint_at.as_ref());
    let at_checkpoint = match last_checkpoint {
        None => None,
        Some(at) => db
            .prepare_cached(
                "SELECT row_id, record, hash FROM signals WHERE session = ?1 AND created_at <= ?2
                 ORDER BY row_id DESC LIMIT 1",
            )?
            .query_row(params![stored.row_id, at.0], decode)
            .optional()?,
    };
    let tool_calls = |record: SignalRecord| record.signals.and_then(|signals| signals.tool_calls);
    let latencies: Vec<f64> = list(db, stored.row_id, i64::MAX, LATENCY_WINDOW)?
        .into_iter()
        .filter_map(|(_, record)| record?.signals?.response_latency_ms)
        .collect();
    let enough = latencies.len() >= LATENCY_MINIMUM;
    Ok(RiskHistory {
        opened_at: to_unix_micros(session.opened_at.as_ref()).unwrap_or(now),
        last_checkpoint,
        tool_calls_at_checkpoint: at_checkpoint
            .and_then(|(_, record)| record)
            .and_then(tool_calls)
            .unwrap_or(0),
        mean_latency_ms: enough.then(|| latencies.iter().sum::<f64>() / latencies.len() as f64),
    })
}
