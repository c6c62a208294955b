//! Carrying over what was observed. The conversations of sessions are found out again from their records.

use prost::Message;
use rusqlite::{Connection, Row, params};
use shim_proto::checkpoint::v1::ObservedEvent;

use super::rows::{Damaged, Origin, SalvageReport, unreadable, value};
use super::tables::{column, observations, observed_events};
use crate::domain::hash_chain;
use crate::domain::observation::Observation;
use crate::error::Error;

/// Copies what is intact of sessions that came over.
pub(super) fn copy(
    damaged: &Damaged<'_>,
    target: &Connection,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    copy_events(damaged, target, report)?;
    copy_observations(damaged, target, report)?;
    damaged.for_each_row(
        "row_id, text, hash",
        "compaction_summaries",
        |row, origin| {
            // A leaf of another table could pass for a text.
            if !is_whole(row, 1)? || origin == Origin::Leaf {
                report.unreadable += unreadable(origin);
                return Ok(());
            }
            target.execute(
                "INSERT OR IGNORE INTO compaction_summaries (row_id, text, hash)
             SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM sessions WHERE row_id = ?1)",
                params![value(row, 0)?, value(row, 1)?, value(row, 2)?],
            )?;
            Ok(())
        },
    )
}

/// Whether the bytes of a column have the hash that stands behind them.
fn is_whole(row: &Row<'_>, at: usize) -> rusqlite::Result<bool> {
    let bytes = column::bytes(row, at)?.unwrap_or_default();
    let hash = column::bytes(row, at + 1)?.unwrap_or_default();
    Ok(hash_chain::hash(bytes) == hash)
}

fn copy_events(
    damaged: &Damaged<'_>,
    target: &Connection,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    let columns = "row_id, session, id, half, happened_at, record, hash";
    damaged.for_each_row(columns, "observed_events", |row, origin| {
        let record = column::bytes(row, 5)?.unwrap_or_default();
        if !is_whole(row, 5)? || ObservedEvent::decode(record).is_err() {
            report.unreadable += unreadable(origin);
            return Ok(());
        }
        let values: Vec<_> = (0..7).map(|at| value(row, at)).collect::<Result<_, _>>()?;
        target.execute(
            "INSERT OR IGNORE INTO observed_events (row_id, session, id, half, happened_at, record, hash)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM sessions WHERE row_id = ?2)",
            rusqlite::params_from_iter(values),
        )?;
        Ok(())
    })
}

/// Each counts the events that came over with it.
fn copy_observations(
    damaged: &Damaged<'_>,
    target: &Connection,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    damaged.for_each_row("row_id, record, hash", "observations", |row, origin| {
        let record = column::bytes(row, 1)?.unwrap_or_default();
        let decoded = Observation::decode(record).ok();
        let decoded = decoded.filter(|found| !found.state.conversation.is_empty());
        let (Some(mut observation), true) = (decoded, is_whole(row, 1)?) else {
            report.unreadable += unreadable(origin);
            return Ok(());
        };
        let session: i64 = row.get(0)?;
        let is_there: bool = target.query_row(
            "SELECT EXISTS (SELECT 1 FROM sessions WHERE row_id = ?1)",
            [session],
            |row| row.get(0),
        )?;
        if is_there {
            observation.kept_events = observed_events::count(target, session)?;
            observations::put(target, session, &mut observation, "")?;
        }
        Ok(())
    })
}
