//! The other tables: signals, restores, answers kept for request ids, deletions, and the full-text index.

use prost::Message;
use rusqlite::{Connection, Row};
use shim_proto::checkpoint::v1::SignalRecord;
use shim_sqlite::to_unix_micros;

use super::report::Findings;
use super::scope::VerifyScope;
use crate::domain::hash_chain;
use crate::error::Error;
use crate::store::rows::for_each_row;
use crate::store::tables::column;

pub(super) fn look(db: &Connection, _: &VerifyScope, found: &mut Findings) -> Result<(), Error> {
    for_each_row(
        db,
        "row_id, session, created_at, record, hash",
        "signals",
        |row| {
            if !found.is_over() {
                look_at_signal(row, found)?;
            }
            Ok(())
        },
    )?;
    for_each_row(db, RESTORE_COLUMNS, "restores", |row| {
        if !found.is_over() {
            look_at_restore(row, found)?;
        }
        Ok(())
    })?;
    if found.report.is_complete {
        look_at_tallies(found);
    }
    look_at_answers(db, found)?;
    for_each_row(db, DELETION_COLUMNS, "deletions", |row| {
        if !found.is_over() {
            look_at_deletion(row, found)?;
        }
        Ok(())
    })?;
    if found.report.is_complete {
        look_at_index(db, found)?;
    }
    Ok(())
}

fn look_at_signal(row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let row_id: i64 = row.get(0)?;
    let session = column::integer(row, 1)?.unwrap_or_default();
    if found.counts(session) {
        found.report.signals += 1;
    }
    let record = column::bytes(row, 3)?.unwrap_or_default();
    let hash = column::bytes(row, 4)?.unwrap_or_default();
    let Some(seen) = found.by_row.get_mut(&session) else {
        found.row(session, format!("a signal snapshot, in row {row_id}"));
        return Ok(());
    };
    seen.signals += 1;
    seen.signals_hash = hash_chain::next_hash(&seen.signals_hash, hash).to_vec();
    let owner = seen.id.clone();
    let decoded = SignalRecord::decode(record).ok();
    let Some(signal) = decoded.filter(|_| hash_chain::hash(record) == hash) else {
        found.row(
            session,
            format!("the signal snapshot in row {row_id} is damaged"),
        );
        return Ok(());
    };
    let at = column::integer(row, 2)?;
    for fault in faults_of_signal(&signal, &owner, at) {
        found.row(
            session,
            format!("the signal snapshot in row {row_id}{fault}"),
        );
    }
    Ok(())
}

/// What is wrong with a whole snapshot that is stored for the session `owner`, at the time `at`.
fn faults_of_signal(signal: &SignalRecord, owner: &str, at: Option<i64>) -> Vec<String> {
    let mut faults = Vec::new();
    if !owner.is_empty() && signal.session_id != owner {
        faults.push(format!(" is one of session {}", signal.session_id));
    }
    let assessment = signal.assessment.as_ref();
    let assessed = assessment.and_then(|assessment| assessment.assessed_at.as_ref());
    if at != Some(to_unix_micros(assessed).map_or(0, |at| at.0)) {
        faults.push(": its column created_at is not what its record says".to_owned());
    }
    faults
}

/// Whether each session has the snapshots that its record counted, in their order, and no more restores than it had.
fn look_at_tallies(found: &mut Findings) {
    let mut faults = Vec::new();
    for (row_id, seen) in &found.by_row {
        if seen.id.is_empty() {
            continue;
        }
        if seen.restores > u64::from(seen.restore_count) {
            let (rows, then) = (seen.restores, seen.restore_count);
            faults.push((
                *row_id,
                format!("{rows} restores are stored, and its record says {then}"),
            ));
        }
        let Some(tally) = &seen.tally else { continue };
        if tally.signals != seen.signals {
            let (now, then) = (seen.signals, tally.signals);
            faults.push((
                *row_id,
                format!("{now} signal snapshots are stored, and its record says {then}"),
            ));
        } else if tally.signals_hash != seen.signals_hash {
            let what = "its signal snapshots are not those that its record counted".to_owned();
            faults.push((*row_id, what));
        }
    }
    for (row_id, fault) in faults {
        found.row(row_id, fault);
    }
}

const RESTORE_COLUMNS: &str = "row_id, session, id, number, epoch, created_at, fidelity, notes";

fn look_at_restore(row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let row_id: i64 = row.get(0)?;
    let session = column::integer(row, 1)?.unwrap_or_default();
    if found.counts(session) {
        found.report.other_rows += 1;
    }
    let Some(seen) = found.by_row.get_mut(&session) else {
        found.row(session, format!("a restore, in row {row_id}"));
        return Ok(());
    };
    seen.restores += 1;
    let within = |value: Option<i64>, last: u64| {
        value.is_some_and(|value| value > 0 && value.unsigned_abs() <= last)
    };
    let is_known = seen.id.is_empty()
        || (within(column::integer(row, 3)?, seen.head_number)
            && within(column::integer(row, 4)?, seen.epoch));
    let fidelity: Option<f64> = row.get(6).unwrap_or(Some(f64::NAN));
    let notes: rusqlite::Result<Option<String>> = row.get(7);
    let is_whole = column::bytes(row, 2)?.is_some_and(|id| id.len() == 16)
        && column::integer(row, 5)?.is_some()
        && fidelity.is_none_or(|fidelity| (0.0..=1.0).contains(&fidelity))
        && notes.is_ok();
    if !is_known || !is_whole {
        found.row(session, format!("the restore in row {row_id} is damaged"));
    }
    Ok(())
}

/// The answers kept for request ids have no hash; their form is checked.
fn look_at_answers(db: &Connection, found: &mut Findings) -> Result<(), Error> {
    let mut statement = db.prepare(
        "SELECT count(*), coalesce(sum(typeof(id) <> 'text' OR typeof(digest) <> 'blob' OR length(digest) <> 32
             OR typeof(answer) <> 'blob' OR typeof(created_at) <> 'integer' OR created_at <= 0), 0) FROM requests",
    )?;
    let (rows, damaged): (i64, i64) =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.report.other_rows += rows.unsigned_abs();
    if damaged > 0 {
        found.database(format!(
            "{damaged} of the answers kept for request ids are damaged"
        ));
    }
    Ok(())
}

const DELETION_COLUMNS: &str = "row_id, created_at, reason, session, checkpoints, bytes";
/// Why contents or sessions were deleted.
const REASONS: [&[u8]; 4] = [b"request", b"prune_session", b"prune", b"retention"];

fn look_at_deletion(row: &Row<'_>, found: &mut Findings) -> Result<(), Error> {
    let row_id: i64 = row.get(0)?;
    found.report.other_rows += 1;
    let is_count = |at| column::integer(row, at).map(|value| value.is_some_and(|value| value >= 0));
    let is_whole = column::integer(row, 1)?.is_some_and(|at| at > 0)
        && column::bytes(row, 2)?.is_some_and(|reason| REASONS.contains(&reason))
        && column::bytes(row, 3)?.is_some_and(|id| id.len() == 16)
        && is_count(4)?
        && is_count(5)?;
    if !is_whole {
        found.database(format!("the deletion on record in row {row_id} is damaged"));
    }
    Ok(())
}

/// Whether what is saved is found by a search: rows up to the progress are in the index.
fn look_at_index(db: &Connection, found: &mut Findings) -> Result<(), Error> {
    let progress: (i64, Option<i64>) = db.query_row(
        "SELECT count(*), max(done) FROM search_progress",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (1, Some(done)) = progress else {
        found.database("the progress of the full-text index is damaged");
        return Ok(());
    };
    let (absent, foreign): (i64, i64) = db.query_row(
        "SELECT (SELECT count(*) FROM checkpoints WHERE row_id <= ?1 AND state IS NOT NULL AND thinned_at IS NULL
                 AND row_id NOT IN (SELECT id FROM search_docsize)),
                (SELECT count(*) FROM search_docsize WHERE id NOT IN (SELECT row_id FROM checkpoints))",
        [done],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if absent > 0 {
        found.database(format!(
            "{absent} checkpoints are not in the full-text index"
        ));
    }
    if foreign > 0 {
        found.database(format!(
            "the full-text index has {foreign} entries of no checkpoint"
        ));
    }
    Ok(())
}
