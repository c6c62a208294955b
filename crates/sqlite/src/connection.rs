//! How a connection to the database is set up, for the writer and for readers.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::guard::OpeningId;

/// Only a backup or a person's sqlite3 can hold a lock for long; the writer waits that out.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements kept for each connection; every statement of a service should fit.
const STATEMENTS: usize = 64;

/// Begins a database with this id of its opening, in the file itself and not in a log.
pub(crate) fn begin(path: &Path, opened_as: OpeningId) -> rusqlite::Result<()> {
    let db = Connection::open(path)?;
    db.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {opened_as};"
    ))
}

/// The one connection that writes.
pub(crate) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // auto_vacuum must be chosen before the first table; it lets deleting give space back in small steps.
    // fullfsync makes "on the disk" true on macOS too; elsewhere it is ignored. 4,000 pages of log (16 MB) before they
    // are copied into the database: the pages that every change touches are copied once, not hundreds of times. The cache
    // holds the pages that changes touch all over the ledger and the index of a full database.
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -8192;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(db)
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.execute_batch("PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF;")?;
    Ok(db)
}
