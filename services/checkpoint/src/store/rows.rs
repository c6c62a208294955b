//! Rows of a database that may be damaged: as SQLite finds them, and leaf by leaf.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use shim_sqlite::Leaves;

use crate::error::Error;

/// After so many row ids in a row that lead to nothing readable, the rest is sought from the other end.
const MAX_SKIPPED: u32 = 5_000;

/// The leaves of the damaged file. Without room for them, what its pages lead to is all that comes over.
fn leaves(damaged: &Path) -> Option<Leaves> {
    match Leaves::of(damaged) {
        Ok(leaves) => {
            tracing::warn!(
                pages = leaves.count(),
                "the damaged database is looked through page by page"
            );
            Some(leaves)
        }
        Err(error) => {
            tracing::error!(%error, "the damaged database cannot be looked through page by page: rows that no page leads to are not carried over");
            None
        }
    }
}

/// Where a row was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In its table.
    Table,
    /// In a page that nothing leads to, or that is another table's.
    Leaf,
}

/// What does not prove itself counts as lost where it was in its table; a leaf may be another table's.
pub(super) fn unreadable(origin: Origin) -> usize {
    usize::from(origin == Origin::Table)
}

/// A column as it is, whatever its type.
pub(super) fn value(row: &Row<'_>, column: usize) -> rusqlite::Result<rusqlite::types::Value> {
    row.get(column)
}

/// How much came over.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SalvageReport {
    pub(super) sessions: usize,
    pub(super) checkpoints: usize,
    pub(super) signals: usize,
    /// Rows that were reached but did not match their hash.
    pub(super) unreadable: usize,
}

/// A damaged database.
pub(super) struct Damaged<'a> {
    pub(super) db: Connection,
    leaves: Option<Leaves>,
    /// A database that has the tables.
    schema: &'a Connection,
}

impl<'a> Damaged<'a> {
    /// The database in the file `damaged`; `None` if SQLite does not even begin with it.
    pub(super) fn open(damaged: &Path, schema: &'a Connection) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = Connection::open_with_flags(damaged, flags).ok()?;
        // Lets SQLite read on past a damaged schema row or a file shorter than its header says.
        let _ = db.execute_batch("PRAGMA writable_schema = ON");
        let leaves = leaves(damaged);
        Some(Self { db, leaves, schema })
    }

    /// Visits the rows of a table, and those that a leaf has beside them.
    pub(super) fn for_each_row(
        &self,
        columns: &str,
        table: &str,
        mut each: impl FnMut(&Row<'_>, Origin) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let seen = for_each_row(&self.db, columns, table, |row| each(row, Origin::Table))?;
        let Some(leaves) = &self.leaves else {
            return Ok(());
        };
        leaves.for_each_row(self.schema, columns, table, |row| {
            match row.get::<_, i64>(0) {
                Ok(row_id) if !seen.contains(&row_id) => each(row, Origin::Leaf),
                _ => Ok(()),
            }
        })
    }
}

/// Visits every row of a table that can be reached from either end, or by its id behind a damaged page; damage hides only
/// itself. Answers their ids.
pub(super) fn for_each_row(
    source: &Connection,
    columns: &str,
    table: &str,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<BTreeSet<i64>, Error> {
    let mut seen = BTreeSet::new();
    let (mut from, mut skipped) = (i64::MIN, 0);
    let ascending =
        format!("SELECT {columns} FROM {table} NOT INDEXED WHERE row_id >= ?1 ORDER BY row_id ASC");
    while skipped < MAX_SKIPPED {
        let before = seen.len();
        if visit(source, &ascending, [from], &mut seen, &mut each)? {
            break;
        }
        // A page cannot be read: the search goes on behind the last row, then id by id.
        let behind_last = seen.last().map_or(1, |last| last.saturating_add(1));
        skipped = if seen.len() > before { 0 } else { skipped + 1 };
        from = behind_last.max(from.saturating_add(1)).max(1);
    }
    let descending = format!("SELECT {columns} FROM {table} NOT INDEXED ORDER BY row_id DESC");
    visit(source, &descending, [], &mut seen, &mut each)?;
    Ok(seen)
}

/// Visits the rows of a query up to one that was seen. Answers whether none is left that could not be read.
fn visit(
    source: &Connection,
    sql: &str,
    from: impl rusqlite::Params,
    seen: &mut BTreeSet<i64>,
    each: &mut impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let Ok(mut statement) = source.prepare_cached(sql) else {
        return Ok(true);
    };
    let Ok(mut rows) = statement.query(from) else {
        return Ok(false);
    };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                let Ok(row_id) = row.get::<_, i64>(0) else {
                    continue;
                };
                if !seen.insert(row_id) {
                    return Ok(true);
                }
                each(row)?;
            }
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}
