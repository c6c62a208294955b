//! A job that refuses leaves nothing of it behind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use crate::deferred;
use crate::error::{JobError, SqliteError};

/// Runs a job. A job refuses before it changes anything, or runs in a savepoint of its own ([`in_savepoint`]). After a
/// refusal that left a change behind, the whole group is rolled back.
pub(crate) fn run_job<R, E: JobError>(
    db: &Connection,
    job: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    let before = db.total_changes();
    let mark = deferred::pending_len();
    let result = catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
        Err(SqliteError::Unavailable("the change ended in a defect".into()).into())
    });
    if result.is_err() {
        deferred::discard_after(mark);
    }
    if result.is_err() && db.total_changes() != before && !db.is_autocommit() {
        // gather_and_commit sees that the transaction is gone, and fails the group.
        db.execute_batch("ROLLBACK").map_err(SqliteError::from)?;
    }
    result
}

/// Runs `work` so that a refusal leaves nothing of it behind. It costs a copy of every page that `work` changes.
///
/// # Errors
/// What `work` refuses; a failure of SQLite.
pub fn in_savepoint<R, E: From<SqliteError>>(
    db: &Connection,
    work: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    db.execute_batch("SAVEPOINT job")
        .map_err(SqliteError::from)?;
    let mark = deferred::pending_len();
    let result = work();
    if result.is_err() {
        deferred::discard_after(mark);
    }
    // After a full disk or an I/O error SQLite may have rolled everything back already.
    if !db.is_autocommit() {
        db.execute_batch(if result.is_ok() {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        })
        .map_err(SqliteError::from)?;
    }
    result
}
