//! Segments: each copy against its hash, and the two tables against each other. What no whole copy is left of is told with
//! the checkpoints that need it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::report::Findings;
use super::schema_objects::has_table;
use super::scope::VerifyScope;
use crate::error::Error;
use crate::store::rows::for_each_row;
use crate::store::tables::column;
use crate::store::tables::segments::checked_piece;

/// Sessions of the rows of one table.
type Seen = BTreeMap<i64, i64>;

pub(super) fn look(db: &Connection, _: &VerifyScope, found: &mut Findings) -> Result<(), Error> {
    if !has_table(db, "segments")? {
        return Ok(());
    }
    let first = look_at_table(db, "segments", found)?;
    let second = look_at_table(db, "segment_copies", found)?;
    if found.report.is_complete {
        for (one, other, which) in [(&first, &second, "second"), (&second, &first, "first")] {
            let lonely = one.iter().filter(|(row_id, _)| !other.contains_key(row_id));
            for (row_id, session) in lonely {
                found.row(
                    *session,
                    format!("the {which} copy of segment {row_id} is gone"),
                );
            }
        }
    }
    Ok(())
}

fn look_at_table(db: &Connection, table: &str, found: &mut Findings) -> Result<Seen, Error> {
    let mut seen = Seen::new();
    for_each_row(db, "row_id, session, hash, bytes", table, |row| {
        if found.is_over() {
            return Ok(());
        }
        let row_id = row.get(0)?;
        let session = column::integer(row, 1)?.unwrap_or_default();
        if found.counts(session) {
            found.report.other_rows += 1;
        }
        if checked_piece(row, 1)?.is_none() {
            found.row(session, format!("row {row_id} of {table} is damaged"));
        }
        seen.insert(row_id, session);
        Ok(())
    })?;
    Ok(seen)
}
