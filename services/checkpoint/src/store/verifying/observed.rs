//! What was observed: conversations, observations, the summaries of compactions, and events.

use std::collections::BTreeMap;

use prost::Message;
use rusqlite::{Connection, Row};
use shim_proto::checkpoint::v1::ObservedEvent;
use uuid::Uuid;

use super::report::Findings;
use super::schema_objects::has_table;
use super::scope::VerifyScope;
use crate::domain::hash_chain;
use crate::domain::observation::{Half, Observation, micros};
use crate::error::Error;
use crate::store::rows::for_each_row;
use crate::store::tables::column;

pub(super) fn look(db: &Connection, _: &VerifyScope, found: &mut Findings) -> Result<(), Error> {
    if !has_table(db, "observations")? {
        return Ok(());
    }
    let columns = "row_id, session, hostname, conversation";
    each(db, columns, "conversations", found, look_at_conversation)?;
    let mut events = BTreeMap::new();
    let columns = "row_id, session, id, half, happened_at, record, hash";
    each(db, columns, "observed_events", found, |row, found| {
        look_at_event(row, &mut events, found)
    })?;
    each(
        db,
        "row_id, record, hash",
        "observations",
        found,
        |row, found| look_at_observation(row, &mut events, found),
    )?;
    if found.report.is_complete {
        for (session, rows) in events {
            let fault = format!("{rows} observed events are stored, and it has no observation");
            found.row(session, fault);
        }
    }
    let columns = "row_id, text, hash";
    each(db, columns, "compaction_summaries", found, look_at_summary)
}

/// Visits the rows of a table while there is time.
fn each(
    db: &Connection,
    columns: &str,
    table: &str,
    found: &mut Findings,
    mut look_at: impl FnMut(&Row<'_>, &mut Findings) -> Result<(), Error>,
) -> Result<(), Error> {
    for_each_row(db, columns, table, |row| {
        if found.is_over() {
            return Ok(());
        }
        look_at(row, found)
    })
    .map(drop)
}

/// Counts the row. Answers whether its session is there.
fn count(session: i64, found: &mut Findings) -> bool {
    if found.counts(session) {
        found.report.other_rows += 1;
    }
    found.by_row.contains_key(&session)
}

/// The bytes of a column, if their hash stands behind them.
fn whole<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<Option<&'a [u8]>> {
    let bytes = column::bytes(row, at)?.unwrap_or_default();
    let hash = column::bytes(row, at + 1)?.unwrap_or_default();
    Ok((hash_chain::hash(bytes) == hash).then_some(bytes))
}

fn look_at_conversation(row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let row_id: i64 = row.get(0)?;
    let session = column::integer(row, 1)?.unwrap_or_default();
    let is_there = count(session, found);
    let is_whole = row.get::<_, String>(2).is_ok() && row.get::<_, String>(3).is_ok();
    if !is_there || !is_whole {
        found.row(
            session,
            format!("the conversation in row {row_id} is damaged"),
        );
    }
    Ok(())
}

fn look_at_event(
    row: &Row<'_>,
    events: &mut BTreeMap<i64, u64>,
    found: &mut Findings,
) -> Result<(), Error> {
    let row_id: i64 = row.get(0)?;
    let session = column::integer(row, 1)?.unwrap_or_default();
    *events.entry(session).or_default() += 1;
    let is_there = count(session, found);
    let event = whole(row, 5)?.and_then(|record| ObservedEvent::decode(record).ok());
    let Some(event) = event.filter(|_| is_there) else {
        found.row(
            session,
            format!("the observed event in row {row_id} is damaged"),
        );
        return Ok(());
    };
    for column in differing(row, &event)? {
        let fault = format!(
            "the observed event in row {row_id}: its column {column} is not what its record says"
        );
        found.row(session, fault);
    }
    Ok(())
}

/// The names of the columns that say something else than the record.
fn differing(row: &Row<'_>, event: &ObservedEvent) -> rusqlite::Result<Vec<&'static str>> {
    let id = Uuid::try_parse(&event.event_id).unwrap_or_default();
    let half = Half::of(event).map(Half::key);
    let fits = [
        (
            "id",
            column::bytes(row, 2)? == Some(id.as_bytes().as_slice()),
        ),
        (
            "half",
            column::bytes(row, 3)? == half.as_ref().map(<[u8; 12]>::as_slice),
        ),
        (
            "happened_at",
            column::integer(row, 4)? == Some(micros(event.at.as_ref())),
        ),
    ];
    let differing = fits.iter().filter(|(_, fits)| !fits);
    Ok(differing.map(|(column, _)| *column).collect())
}

fn look_at_observation(
    row: &Row<'_>,
    events: &mut BTreeMap<i64, u64>,
    found: &mut Findings,
) -> Result<(), Error> {
    let session: i64 = row.get(0)?;
    let is_there = count(session, found);
    let rows = events.remove(&session).unwrap_or_default();
    let observation = whole(row, 1)?.and_then(|record| Observation::decode(record).ok());
    match observation.filter(|_| is_there) {
        None => found.row(session, "what was observed of it is damaged".to_owned()),
        Some(observation) if observation.kept_events != rows => {
            let then = observation.kept_events;
            let fault =
                format!("{rows} observed events are stored, and its observation says {then}");
            found.row(session, fault);
        }
        Some(_) => {}
    }
    Ok(())
}

fn look_at_summary(row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let session: i64 = row.get(0)?;
    let is_there = count(session, found);
    if !is_there || whole(row, 1)?.is_none() {
        found.row(
            session,
            "the summary of its last compaction is damaged".to_owned(),
        );
    }
    Ok(())
}
