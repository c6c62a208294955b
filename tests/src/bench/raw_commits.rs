//! The peer of durable saves: one SQLite connection that commits one row at a time, as durably as the service does.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use super::latency::Latencies;

/// The connection.
pub(super) struct RawCommits {
    connection: Connection,
}

impl RawCommits {
    /// A new database in `folder`: WAL, `synchronous=FULL`, one table.
    pub(super) fn open(folder: &Path, name: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open(folder.join(name))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE states (number INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT",
        )?;
        Ok(Self { connection })
    }

    /// Commits `states` in turn for `span`; returns each commit's latency.
    pub(super) fn commit_for(
        &self,
        span: Duration,
        states: &[Vec<u8>],
    ) -> rusqlite::Result<Latencies> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO states (state) VALUES (?1)")?;
        let mut latencies = Latencies::default();
        let end = Instant::now() + span;
        for state in states.iter().cycle() {
            let start = Instant::now();
            if start >= end {
                break;
            }
            insert.execute(params![state])?;
            latencies.record(start.elapsed());
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_commits_as_durably_as_the_service() {
        let folder = tempfile::tempdir().expect("a folder");
        let raw = RawCommits::open(folder.path(), "raw.db").expect("a database");
        let ask = |pragma: &str| -> String {
            let sql = format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}");
            raw.connection
                .query_row(&sql, [], |row| row.get(0))
                .expect("a pragma")
        };
        assert_eq!(ask("journal_mode"), "wal");
        assert_eq!(ask("synchronous"), "2", "FULL");
    }
}
