//! Sessions: their records, and the columns that repeat them; and whether some are gone without a record of it.

use prost::Message;
use rusqlite::{Connection, Row};
use shim_proto::checkpoint::v1::Session;
use shim_sqlite::to_unix_micros;
use uuid::Uuid;

use super::report::{Findings, SeenSession};
use super::schema_objects::has_table;
use super::scope::VerifyScope;
use crate::domain::hash_chain;
use crate::domain::recovery::is_recoverable;
use crate::error::Error;
use crate::store::rows::for_each_row;
use crate::store::tables::column;

const COLUMNS: &str = "row_id, id, project, status, recoverable, updated_at, record, hash";

pub(super) fn look(db: &Connection, _: &VerifyScope, found: &mut Findings) -> Result<(), Error> {
    for_each_row(db, COLUMNS, "sessions", |row| {
        if !found.is_over() {
            look_at(row, found)?;
        }
        Ok(())
    })?;
    if found.report.is_complete {
        look_for_gone(db, found)?;
    }
    Ok(())
}

fn look_at(row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let row_id: i64 = row.get(0)?;
    let record = column::bytes(row, 6)?.unwrap_or_default();
    let hash = column::bytes(row, 7)?.unwrap_or_default();
    let session = Session::decode(record).ok();
    let session = session.filter(|_| hash_chain::hash(record) == hash);
    let Some(session) = session else {
        found.report.sessions += 1;
        found.by_row.insert(row_id, SeenSession::default());
        found.database(format!("the session in row {row_id} is damaged"));
        return Ok(());
    };
    if found.counts_id(&session.id) {
        found.report.sessions += 1;
    }
    for column in differing(row, &session)? {
        found.session(
            &session.id,
            format!("its column {column} is not what its record says"),
        );
    }
    found.by_row.insert(row_id, seen(session));
    Ok(())
}

/// The names of the columns that say something else than the record.
fn differing(row: &Row<'_>, session: &Session) -> Result<Vec<&'static str>, Error> {
    let id = Uuid::parse_str(&session.id).ok();
    let id_fits = id.is_some_and(|id| column::bytes(row, 1).ok().flatten() == Some(id.as_bytes()));
    let updated_at = to_unix_micros(session.updated_at.as_ref()).map_or(0, |at| at.0);
    let project = column::bytes(row, 2)? == Some(session.project.as_bytes());
    let fits = [
        ("id", id_fits),
        ("project", project),
        (
            "status",
            column::integer(row, 3)? == Some(session.status.into()),
        ),
        (
            "recoverable",
            column::integer(row, 4)? == Some(is_recoverable(session).into()),
        ),
        ("updated_at", column::integer(row, 5)? == Some(updated_at)),
    ];
    let wrong = fits.into_iter().filter(|(_, fits)| !fits);
    Ok(wrong.map(|(name, _)| name).collect())
}

fn seen(session: Session) -> SeenSession {
    SeenSession {
        id: session.id,
        head_number: session.head_number,
        head_id: session.head_checkpoint_id,
        epoch: session.epoch,
        restore_count: session.restore_count,
        tally: session.tally,
        ..SeenSession::default()
    }
}

/// Rows are numbered in the order of opening, and no number is given twice. One is free only where a session was deleted,
/// which is on record; the loss of the last one cannot be told.
fn look_for_gone(db: &Connection, found: &mut Findings) -> Result<(), Error> {
    if !has_table(db, "seals")? {
        // The version before did not tell pruned sessions from pruned contents.
        return Ok(());
    }
    let highest: i64 = db.query_row(
        "SELECT coalesce(max(highest), 0) FROM deleted_rows",
        [],
        |row| row.get(0),
    )?;
    let last = found.by_row.keys().next_back().copied().unwrap_or(0);
    let last = last.max(highest);
    let free = last
        .unsigned_abs()
        .saturating_sub(found.by_row.len() as u64);
    let deleted: i64 = db.query_row(
        "SELECT count(*) FROM deletions WHERE reason IN ('request', 'prune_session')",
        [],
        |row| row.get(0),
    )?;
    let gone = free.saturating_sub(deleted.unsigned_abs());
    if gone > 0 {
        let (noun, verb) = if gone == 1 {
            ("session", "is")
        } else {
            ("sessions", "are")
        };
        found.database(format!(
            "{gone} {noun} {verb} gone, and no deletion is on record"
        ));
    }
    Ok(())
}
