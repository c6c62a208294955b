//! What a service brings along: its tables, and hooks for what only the service can do with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::SqliteError;
use crate::time::UnixMicros;

/// A service's schema. One of its tables must be the ledger's, see [`crate::idempotency::LEDGER_TABLE`].
#[derive(Debug)]
pub struct Schema {
    /// Names the files in the data folder (`NAME.db`, `NAME.lock`) and the writer's thread.
    pub name: &'static str,
    /// SQL, one text for each step of the schema's history. A released step never changes.
    pub migrations: &'static [&'static str],
    /// The newest time stored; the clock starts behind it.
    pub newest_time: fn(&Connection) -> Result<Option<UnixMicros>, SqliteError>,
    /// Carries what can be read in the damaged file into the new database, and logs how much that was.
    pub salvage: fn(&Path, &mut Connection) -> Result<(), SqliteError>,
    /// Runs on the writer outside of a transaction, when no job came for 50 ms: a job that comes meanwhile waits for it.
    pub when_idle: fn(&Connection) -> Result<(), SqliteError>,
    /// Called after each group with its number of jobs and the time of the commit; `None` if the commit failed.
    pub on_commit: fn(usize, Option<Duration>),
}

impl Schema {
    /// Where the database lies in a data folder.
    #[must_use]
    pub fn database_path(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(format!("{}.db", self.name))
    }

    /// The file whose lock keeps other processes out.
    #[must_use]
    pub(crate) fn lock_path(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(format!("{}.lock", self.name))
    }
}
