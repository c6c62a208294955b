//! Carrying what can be read from a damaged database into a new one.
//!
//! Tables are read as SQLite finds their rows, then leaf by leaf: one bit can hide all that a page leads to. Only rows whose
//! hashes hold are taken: a damaged row never passes for a good one. Idempotency keys have no hash and
//! are left behind. A checkpoint whose session row was lost gets a placeholder session.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, Row, params};
use shim_proto::checkpoint::v1::{Checkpoint, Interruption, Session, SessionStatus};
use shim_sqlite::{UnixMicros, to_unix_micros};
use uuid::Uuid;

use super::observed_salvage;
use super::rows::{Damaged, Origin, SalvageReport, for_each_row, unreadable, value};
use super::segment_salvage;
use super::tables::checkpoints::CheckpointRow;
use super::tables::{sessions, tally};
use crate::domain::hash_chain;
use crate::error::Error;

/// Copies everything intact from the file `damaged` into the empty database `db`.
pub(super) fn copy_intact(damaged: &Path, db: &mut Connection) -> Result<SalvageReport, Error> {
    let mut report = SalvageReport::default();
    let target = db.transaction()?;
    let Some(damaged) = Damaged::open(damaged, &target) else {
        return Ok(report);
    };
    // Rows of lost sessions are inserted before their placeholders.
    target.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    let sessions = copy_sessions(&damaged, &target, &mut report)?;
    segment_salvage::copy(&damaged, &target, &mut report)?;
    copy_checkpoints(&damaged, &target, &sessions, &mut report)?;
    segment_salvage::drop_unowned(&target)?;
    copy_signals(&damaged, &target, &mut report)?;
    observed_salvage::copy(&damaged, &target, &mut report)?;
    copy_deletions(&damaged.db, &target)?;
    begin_tallies_anew(&target)?;
    target.commit()?;
    Ok(report)
}

/// The newest number of a session is believed of a damaged row this far above the newest checkpoint that is whole.
const MAX_LOST_NUMBERS: u64 = 10_000;
/// Answers with the rows that came over.
fn copy_sessions(
    damaged: &Damaged<'_>,
    target: &Connection,
    report: &mut SalvageReport,
) -> Result<BTreeSet<i64>, Error> {
    let mut rows = BTreeSet::new();
    let columns = "row_id, id, project, status, recoverable, updated_at, record, hash";
    damaged.for_each_row(columns, "sessions", |row, origin| {
        let read = || -> rusqlite::Result<_> {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Vec<u8>>(6)?,
                row.get::<_, Vec<u8>>(7)?,
            ))
        };
        let intact = read()
            .ok()
            .filter(|(_, record, hash)| hash_chain::hash(record) == hash.as_slice());
        let session = intact
            .as_ref()
            .and_then(|(_, record, _)| <Session as prost::Message>::decode(record.as_slice()).ok());
        match (intact, session) {
            (Some((row_id, _, _)), Some(session)) => {
                insert_session(target, row_id, session)?;
                rows.insert(row_id);
                report.sessions += 1;
            }
            _ => report.unreadable += unreadable(origin),
        }
        Ok(())
    })?;
    Ok(rows)
}

/// The lookup columns are computed anew from the sealed record: the old ones may be damaged.
fn insert_session(target: &Connection, row_id: i64, session: Session) -> Result<(), Error> {
    let inserted = sessions::insert(target, session)?;
    target.execute(
        "UPDATE sessions SET row_id = ?1 WHERE row_id = ?2",
        [row_id, inserted.row_id],
    )?;
    Ok(())
}

fn copy_checkpoints(
    damaged: &Damaged<'_>,
    target: &Connection,
    sessions: &BTreeSet<i64>,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    let mut orphans: BTreeMap<i64, Checkpoint> = BTreeMap::new();
    // The newest number of each session, of rows that cannot be read, too.
    let mut heads: BTreeMap<i64, u64> = BTreeMap::new();
    let columns = "row_id, session, number, thinned_at, header, state, state_hash, hash";
    damaged.for_each_row(columns, "checkpoints", |row, origin| {
        let intact = intact_checkpoint(target, row);
        if intact.is_some() || origin == Origin::Table {
            note_number(row, &mut heads);
        }
        let Some((stored, header)) = intact else {
            report.unreadable += unreadable(origin);
            return Ok(());
        };
        copy_checkpoint(target, row, &header)?;
        report.checkpoints += 1;
        if !sessions.contains(&stored.session)
            && orphans
                .get(&stored.session)
                .is_none_or(|o| o.number < header.number)
        {
            orphans.insert(stored.session, header);
        }
        Ok(())
    })?;
    for (row_id, newest) in orphans {
        let head = heads.get(&row_id).copied().unwrap_or_default();
        insert_session(target, row_id, placeholder_session(&newest, head))?;
    }
    Ok(())
}

/// The checkpoint of a row, if its hashes hold with the segments that came over.
fn intact_checkpoint(target: &Connection, row: &Row<'_>) -> Option<(CheckpointRow, Checkpoint)> {
    let stored = CheckpointRow::from_row(row).ok()?;
    let header = stored.header().ok()?;
    let is_whole = matches!(stored.decode(target), Ok(_) | Err(Error::Thinned(_)));
    is_whole.then_some((stored, header))
}

/// Notes the number of a row, readable or not, if it is its session's newest so far.
fn note_number(row: &Row<'_>, heads: &mut BTreeMap<i64, u64>) {
    if let (Ok(session), Ok(number)) = (row.get::<_, i64>(1), row.get::<_, i64>(2)) {
        let head = heads.entry(session).or_default();
        *head = u64::try_from(number).unwrap_or_default().max(*head);
    }
}

fn copy_checkpoint(target: &Connection, row: &Row<'_>, header: &Checkpoint) -> Result<(), Error> {
    let id = Uuid::parse_str(&header.id).unwrap_or_default();
    let created_at = to_unix_micros(header.created_at.as_ref())
        .unwrap_or(UnixMicros(0))
        .0;
    target
        .prepare_cached(
            "INSERT OR IGNORE INTO checkpoints (row_id, session, number, id, created_at, thinned_at, header, state, state_hash, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            value(row, 0)?,
            value(row, 1)?,
            value(row, 2)?,
            id.as_bytes(),
            created_at,
            value(row, 3)?,
            value(row, 4)?,
            value(row, 5)?,
            value(row, 6)?,
            value(row, 7)?
        ])?;
    Ok(())
}

/// What is known of a session from its newest checkpoint, and from the newest number that the damaged database has of it: a
/// number that was lost is not given again.
fn placeholder_session(newest: &Checkpoint, head: u64) -> Session {
    let evidence = format!(
        "the session's row was lost in a damaged database; its checkpoints were carried over, and whether there were any after \
         #{} is not known",
        head.max(newest.number)
    );
    Session {
        id: newest.session_id.clone(),
        project: "(salvaged)".into(),
        title: newest.current_task.clone(),
        status: SessionStatus::Interrupted.into(),
        epoch: newest.epoch,
        opened_at: newest.created_at,
        updated_at: newest.created_at,
        last_checkpoint_at: newest.created_at,
        // A number far beyond is damage, too.
        head_number: head
            .min(newest.number + MAX_LOST_NUMBERS)
            .max(newest.number),
        head_checkpoint_id: newest.id.clone(),
        current_task: newest.current_task.clone(),
        progress: newest.progress,
        interruption: Some(Interruption {
            evidence,
            at: newest.created_at,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn copy_signals(
    damaged: &Damaged<'_>,
    target: &Connection,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    damaged.for_each_row(
        "row_id, session, created_at, record, hash",
        "signals",
        |row, origin| {
            let hash_matches = || -> rusqlite::Result<bool> {
                Ok(hash_chain::hash(row.get_ref(3)?.as_blob()?) == row.get_ref(4)?.as_blob()?)
            };
            if !hash_matches().unwrap_or(false) {
                report.unreadable += unreadable(origin);
                return Ok(());
            }
            // A snapshot of a session that was lost whole is dropped.
            report.signals += target.execute(
                "INSERT OR IGNORE INTO signals (row_id, session, created_at, record, hash)
             SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM sessions WHERE row_id = ?2)",
                params![
                    value(row, 0)?,
                    value(row, 1)?,
                    value(row, 2)?,
                    value(row, 3)?,
                    value(row, 4)?
                ],
            )?;
            Ok(())
        },
    )
}

/// What was deleted on purpose is no loss, which verifying would take it for.
fn copy_deletions(source: &Connection, target: &Connection) -> Result<(), Error> {
    let columns = "row_id, created_at, reason, session, checkpoints, bytes";
    for_each_row(source, columns, "deletions", |row| {
        let values: Vec<_> = (0..6).map(|at| value(row, at)).collect::<Result<_, _>>()?;
        target.execute(
            "INSERT OR IGNORE INTO deletions (row_id, created_at, reason, session, checkpoints, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            rusqlite::params_from_iter(values),
        )?;
        Ok(())
    })
    .map(drop)
}

/// The tallies count what came over.
fn begin_tallies_anew(target: &Connection) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let page = sessions::after_row(target, after, 500)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.row_id;
        for mut stored in page {
            if stored.session.tally.take().is_none() {
                continue;
            }
            tally::begin(target, &mut stored)?;
            let unchanged = to_unix_micros(stored.session.updated_at.as_ref());
            sessions::update(target, &mut stored, unchanged.unwrap_or(UnixMicros(0)))?;
        }
    }
}
