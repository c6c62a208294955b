//! The structure: pages and indexes, and whether tables, indexes and triggers are those of the schema.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::report::Findings;
use super::scope::VerifyScope;
use crate::error::Error;
use crate::store::schema::SCHEMA;

/// Lines of SQLite's own check.
const MAX_LINES: u32 = 100;

pub(super) fn look(
    db: &Connection,
    scope: &VerifyScope,
    found: &mut Findings,
) -> Result<(), Error> {
    // It compares each index with its table, which takes as long as reading all: not within a time limit.
    let check = if scope.deadline.is_some() {
        "quick_check"
    } else {
        "integrity_check"
    };
    let mut statement = db.prepare(&format!("PRAGMA {check}({MAX_LINES})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            found.database(format!("SQLite finds: {line}"));
        }
    }
    compare(db, found)
}

/// Kind and SQL of each object by its name.
type Objects = BTreeMap<String, (String, String)>;

fn compare(db: &Connection, found: &mut Findings) -> Result<(), Error> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let steps = usize::try_from(version).ok();
    // A database that no newer program opened yet has the tables of its own version.
    let Some(steps) = steps.and_then(|version| SCHEMA.migrations.get(..version)) else {
        found.database(format!(
            "a newer version of SHIM wrote it: its schema is {version}"
        ));
        return Ok(());
    };
    let model = Connection::open_in_memory()?;
    for step in steps {
        model.execute_batch(step)?;
    }
    let (expected, there) = (objects(&model)?, objects(db)?);
    for (name, (kind, sql)) in &there {
        match expected.get(name) {
            None => found.database(format!("has the {kind} {name:?}, which no SHIM made")),
            // The tables below the index are SQLite's, and written by its version.
            Some((_, own)) if own != sql && !name.starts_with("search_") => {
                found.database(format!("the {kind} {name:?} is not as SHIM made it"));
            }
            Some(_) => {}
        }
    }
    for (name, (kind, _)) in expected {
        if !there.contains_key(&name) {
            found.database(format!("the {kind} {name:?} is gone"));
        }
    }
    Ok(())
}

fn objects(db: &Connection) -> Result<Objects, Error> {
    let mut statement = db.prepare("SELECT name, type, coalesce(sql, '') FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    let all: Objects = rows.collect::<rusqlite::Result<_>>()?;
    // What ANALYZE leaves changes no answer.
    let is_own = |name: &String| !name.starts_with("sqlite_stat");
    Ok(all.into_iter().filter(|(name, _)| is_own(name)).collect())
}

/// Whether the table is there: a database of an older version lacks some.
pub(super) fn has_table(db: &Connection, name: &str) -> Result<bool, Error> {
    let found: Option<i64> = db
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.is_some())
}
