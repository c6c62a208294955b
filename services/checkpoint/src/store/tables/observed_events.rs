//! The newest events of each session, by which a repeated one is known.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};
use shim_proto::checkpoint::v1::ObservedEvent;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::limits::observation::MAX_KEPT_EVENTS;
use shim_render::text::cut_bytes;
use uuid::Uuid;

use super::column::{self, to_column};
use crate::domain::hash_chain;
use crate::domain::observation::{Half, Observation, micros};
use crate::error::Error;

/// Of texts that replace each other the newest is kept whole elsewhere; so much of each stands with its event.
const MAX_TEXT_BYTES: usize = 1_000;
/// Events over the limit that may gather, so that dropping them is not done for each.
const SLACK: u64 = 200;

/// The session in whose row this event is kept.
pub(crate) fn session_of(db: &Connection, id: Uuid) -> Result<Option<i64>, Error> {
    Ok(db
        .prepare_cached("SELECT session FROM observed_events WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?)
}

/// Whether this half is kept for the session.
pub(crate) fn has_half(db: &Connection, session: i64, half: Half<'_>) -> Result<bool, Error> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM observed_events WHERE session = ?1 AND half = ?2)",
        )?
        .query_row(params![session, half.key()], |row| row.get(0))?)
}

/// Keeps an event, unless it or its half is kept. Answers whether it was new.
pub(crate) fn insert(
    db: &Connection,
    session: i64,
    id: Uuid,
    event: &ObservedEvent,
) -> Result<bool, Error> {
    let record = shortened(event).encode_to_vec();
    let half = Half::of(event).map(Half::key);
    let inserted = db
        .prepare_cached(
            "INSERT INTO observed_events (session, id, half, happened_at, record, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            session,
            id.as_bytes(),
            half,
            micros(event.at.as_ref()),
            record,
            hash_chain::hash(&record)
        ])?;
    Ok(inserted > 0)
}

/// The event without what its session and its observation hold.
fn shortened(event: &ObservedEvent) -> ObservedEvent {
    let mut event = ObservedEvent {
        client: None,
        transcript_path: String::new(),
        ..event.clone()
    };
    let text = match &mut event.event {
        Some(Event::PromptSubmitted(prompt)) => &mut prompt.text,
        Some(Event::CompactionFinished(done)) => &mut done.summary,
        Some(Event::TurnEnded(turn)) => &mut turn.last_answer,
        _ => return event,
    };
    *text = cut_bytes(text, MAX_TEXT_BYTES).into_owned();
    event
}

/// Drops the oldest events of a session that has too many, and notes up to when.
pub(crate) fn trim(db: &Connection, session: i64, of: &mut Observation) -> Result<(), Error> {
    if of.kept_events <= MAX_KEPT_EVENTS + SLACK {
        return Ok(());
    }
    let last: Option<i64> = db
        .prepare_cached(
            "SELECT happened_at FROM observed_events WHERE session = ?1 ORDER BY happened_at DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![session, to_column(MAX_KEPT_EVENTS)], |row| row.get(0))
        .optional()?;
    match last {
        // Those of the same moment stay: one more of them may be on its way.
        Some(last) => drop_until(db, session, of, last - 1),
        None => Ok(()),
    }
}

/// Drops the events of a session up to this time, in microseconds since the Unix epoch.
pub(crate) fn drop_until(
    db: &Connection,
    session: i64,
    of: &mut Observation,
    until: i64,
) -> Result<(), Error> {
    let dropped = db
        .prepare_cached("DELETE FROM observed_events WHERE session = ?1 AND happened_at <= ?2")?
        .execute(params![session, until])?;
    if dropped > 0 {
        of.horizon = of.horizon.max(until);
    }
    of.kept_events = count(db, session)?;
    Ok(())
}

/// How many events of a session are kept.
pub(crate) fn count(db: &Connection, session: i64) -> Result<u64, Error> {
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM observed_events WHERE session = ?1")?
        .query_row([session], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Rows of sessions above `after` that have events up to this time, ascending.
pub(crate) fn sessions_with_old(
    db: &Connection,
    after: i64,
    until: i64,
    limit: u32,
) -> Result<Vec<i64>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT row_id FROM observations WHERE row_id > ?1 AND EXISTS
             (SELECT 1 FROM observed_events WHERE session = observations.row_id AND happened_at <= ?2)
         ORDER BY row_id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![after, until, limit], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Up to `limit` events of a session, the newest first. Damaged ones are logged and left out.
pub(crate) fn newest(
    db: &Connection,
    session: i64,
    limit: u32,
) -> Result<Vec<ObservedEvent>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT row_id, record, hash FROM observed_events WHERE session = ?1
         ORDER BY happened_at DESC, row_id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![session, limit], decode)?;
    let events: Vec<Option<ObservedEvent>> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(events.into_iter().flatten().collect())
}

fn decode(row: &Row<'_>) -> rusqlite::Result<Option<ObservedEvent>> {
    let row_id: i64 = row.get(0)?;
    let record = column::bytes(row, 1)?.unwrap_or_default();
    let hash = column::bytes(row, 2)?.unwrap_or_default();
    let is_whole = hash_chain::hash(record) == hash;
    let event = is_whole
        .then(|| ObservedEvent::decode(record).ok())
        .flatten();
    if event.is_none() {
        tracing::error!(
            row_id,
            "the row of an observed event is damaged; it is not served"
        );
    }
    Ok(event)
}
