//! Checkpoints: each row and its content, the columns that repeat them, and the chain from the first to the head.

use rusqlite::{Connection, Row};
use shim_proto::checkpoint::v1::Checkpoint;
use shim_sqlite::to_unix_micros;
use uuid::Uuid;

use super::report::{Findings, SeenSession};
use super::scope::VerifyScope;
use crate::domain::hash_chain;
use crate::error::Error;
use crate::store::rows::for_each_row;
use crate::store::tables::checkpoints::CheckpointRow;
use crate::store::tables::column;

const COLUMNS: &str =
    "row_id, session, number, thinned_at, header, state, state_hash, hash, id, created_at";

pub(super) fn look(db: &Connection, _: &VerifyScope, found: &mut Findings) -> Result<(), Error> {
    for_each_row(db, COLUMNS, "checkpoints", |row| {
        if !found.is_over() {
            look_at(db, row, found)?;
        }
        Ok(())
    })?;
    if found.report.is_complete {
        look_at_ends(found);
    }
    Ok(())
}

fn look_at(db: &Connection, row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let stored = CheckpointRow::from_row(row)?;
    let (session, number) = (stored.session, stored.number);
    if found.counts(session) {
        found.report.checkpoints += 1;
    }
    let header = stored.whole_header();
    let faults = match &header {
        Some(header) => faults_of(db, row, &stored, header, found.by_row.get(&session))?,
        None => vec!["is damaged".to_owned()],
    };
    for fault in faults {
        found.row(session, format!("#{number} {fault}"));
    }
    if let Some(fault) = link(found, &stored, header.as_ref()) {
        found.row(session, fault);
    }
    Ok(())
}

/// What is wrong with a row whose header is whole.
fn faults_of(
    db: &Connection,
    row: &Row<'_>,
    stored: &CheckpointRow,
    header: &Checkpoint,
    session: Option<&SeenSession>,
) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    let (has_state, is_thinned) = stored.content();
    if has_state == is_thinned {
        faults.push(
            if has_state {
                "is marked as dropped by retention, and has its content"
            } else {
                "has lost its content, and no retention dropped it"
            }
            .to_owned(),
        );
    } else if has_state && !stored.has_whole_content(db) {
        faults.push("is damaged".to_owned());
    }
    match session {
        None => faults.push("is stored".to_owned()),
        Some(seen) if !seen.id.is_empty() && seen.id != header.session_id => {
            faults.push(format!("is one of session {}", header.session_id));
        }
        Some(_) => {}
    }
    let id = Uuid::parse_str(&header.id).ok();
    if id.is_none_or(|id| column::bytes(row, 8).ok().flatten() != Some(id.as_bytes())) {
        faults.push("its column id is not what its header says".to_owned());
    }
    let created_at = to_unix_micros(header.created_at.as_ref()).map_or(0, |at| at.0);
    if column::integer(row, 9)? != Some(created_at) {
        faults.push("its column created_at is not what its header says".to_owned());
    }
    Ok(faults)
}

/// Puts the row behind the one before it, and tells how it does not follow.
fn link(
    found: &mut Findings,
    stored: &CheckpointRow,
    header: Option<&Checkpoint>,
) -> Option<String> {
    let number = stored.number;
    let hash = header.and_then(|header| hash_chain::from_hex(&header.hash));
    let seen = found.by_row.get_mut(&stored.session)?;
    seen.thinned += u64::from(stored.content().1);
    let before = seen.last.replace((number, hash));
    let (last, last_hash) = before.unwrap_or_default();
    if number <= last {
        return Some(format!("#{number} is stored behind #{last}"));
    }
    if number > last + 1 {
        seen.missing.push((last + 1, number - 1));
    }
    if let Some(header) = header.filter(|header| header.id == seen.head_id)
        && header.number != seen.head_number
    {
        return Some(format!("#{number} has the id of the newest one"));
    }
    let previous = header.map(|header| header.previous_hash.as_str())?;
    let follows = match last_hash {
        Some(hash) if number == last + 1 => previous == hash_chain::hex(&hash),
        _ => number > 1 || previous.is_empty(),
    };
    (!follows).then(|| format!("#{number} does not follow from #{}", number - 1))
}

/// What a session's record says of its newest checkpoint, and of contents that were dropped.
fn look_at_ends(found: &mut Findings) {
    let mut faults = Vec::new();
    for (row_id, seen) in &mut found.by_row {
        if seen.id.is_empty() {
            continue;
        }
        let last = seen.last.map_or(0, |(number, _)| number);
        if last < seen.head_number {
            seen.missing.push((last + 1, seen.head_number));
        }
        if last > seen.head_number {
            let head = seen.head_number;
            faults.push((
                *row_id,
                format!("#{last} is stored, and its record ends with #{head}"),
            ));
        }
        if !seen.missing.is_empty() {
            faults.push((*row_id, missing(&seen.missing)));
        }
        if let Some(tally) = seen
            .tally
            .as_ref()
            .filter(|tally| tally.thinned != seen.thinned)
        {
            let (now, then) = (seen.thinned, tally.thinned);
            faults.push((
                *row_id,
                format!("{now} contents are marked as dropped, and its record says {then}"),
            ));
        }
    }
    for (row_id, fault) in faults {
        found.row(row_id, fault);
    }
}

fn missing(runs: &[(u64, u64)]) -> String {
    let said = runs.iter().map(|(first, last)| match last - first {
        0 => format!("#{first}"),
        1 => format!("#{first}, #{last}"),
        _ => format!("#{first} to #{last}"),
    });
    let is_one = matches!(runs, [(first, last)] if first == last);
    let verb = if is_one { "is" } else { "are" };
    format!("{} {verb} missing", said.collect::<Vec<_>>().join(", "))
}
