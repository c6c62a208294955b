//! What this service brings to the embedded store: its tables and its hooks.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use shim_sqlite::{Schema, SqliteError, UnixMicros};

/// The database `evolutions.db`.
pub(crate) static SCHEMA: Schema = Schema {
    name: "evolutions",
    migrations: &[include_str!("schema_001.sql")],
    newest_time,
    salvage,
    when_idle: |_| Ok(()),
    on_commit: |_, _| {},
};

/// The newest time in the database.
fn newest_time(db: &Connection) -> Result<Option<UnixMicros>, SqliteError> {
    let mut newest = None;
    for sql in [
        "SELECT max(updated_at) FROM evolutions",
        "SELECT max(decided_at) FROM trust",
    ] {
        let found: Option<Option<i64>> = db.query_row(sql, [], |row| row.get(0)).optional()?;
        newest = newest.max(found.flatten().map(UnixMicros));
    }
    Ok(newest)
}

/// The tables whose rows are carried over from a damaged file. Evolutions are verified whenever they are read, so rows
/// that the damage changed are told then.
const CARRIED: [(&str, &str); 3] = [
    (
        "evolutions",
        "row_id, id, root, transform, state, content, request_id, proposed_at, updated_at, record, diffs, hash",
    ),
    ("outcomes", "evolution, transform, root, outcome, at"),
    ("trust", "root, is_trusted, decided_at"),
];

fn salvage(damaged: &Path, db: &mut Connection) -> Result<(), SqliteError> {
    db.execute(
        "ATTACH DATABASE ?1 AS damaged",
        [damaged.to_string_lossy().as_ref()],
    )?;
    let mut carried = 0;
    let mut is_whole = true;
    for (table, columns) in CARRIED {
        match carry_over(db, table, columns) {
            Ok(rows) => carried += rows,
            Err(error) => {
                is_whole = false;
                tracing::error!(table, %error, "its rows behind the damage could not be read");
            }
        }
    }
    db.execute("DETACH DATABASE damaged", [])?;
    tracing::error!(
        rows = carried,
        is_whole,
        "carried over from the damaged database; keep the file set aside until you have looked at what is missing"
    );
    Ok(())
}

/// Row by row, so that what stands before the damage is kept.
fn carry_over(db: &Connection, table: &str, columns: &str) -> Result<usize, SqliteError> {
    let count = columns.split(',').count();
    let marks = vec!["?"; count].join(", ");
    let mut insert = db.prepare(&format!(
        "INSERT OR IGNORE INTO main.{table} ({columns}) VALUES ({marks})"
    ))?;
    let mut select = db.prepare(&format!("SELECT {columns} FROM damaged.{table}"))?;
    let mut rows = select.query([])?;
    let mut carried = 0;
    while let Some(row) = rows.next()? {
        let values = (0..count)
            .map(|column| row.get::<_, rusqlite::types::Value>(column))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        carried += insert.execute(rusqlite::params_from_iter(values))?;
    }
    Ok(carried)
}
