//! Segments of a damaged database: of each, whichever copy matches its hash.

use rusqlite::{Connection, Row, params};

use super::rows::{Damaged, SalvageReport, unreadable, value};
use super::tables::segments::checked_piece;
use crate::error::Error;

const TABLES: [&str; 2] = ["segments", "segment_copies"];

/// Copies each segment of which one copy is whole, into both tables.
pub(super) fn copy(
    damaged: &Damaged<'_>,
    target: &Connection,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    for table in TABLES {
        damaged.for_each_row("row_id, session, hash, bytes", table, |row, origin| {
            if checked_piece(row, 1)?.is_some() {
                copy_row(target, row)
            } else {
                report.unreadable += unreadable(origin);
                Ok(())
            }
        })?;
    }
    Ok(())
}

fn copy_row(target: &Connection, row: &Row<'_>) -> Result<(), Error> {
    for table in TABLES {
        target
            .prepare_cached(&format!(
                "INSERT OR IGNORE INTO {table} (row_id, session, hash, bytes) VALUES (?1, ?2, ?3, ?4)"
            ))?
            .execute(params![
                value(row, 0)?,
                value(row, 1)?,
                value(row, 2)?,
                value(row, 3)?
            ])?;
    }
    Ok(())
}

/// Drops the segments of sessions that did not come over.
pub(super) fn drop_unowned(target: &Connection) -> Result<(), Error> {
    for table in TABLES {
        target.execute(
            &format!("DELETE FROM {table} WHERE session NOT IN (SELECT row_id FROM sessions)"),
            [],
        )?;
    }
    Ok(())
}
