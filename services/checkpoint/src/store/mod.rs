//! The database: one writer thread with group commit, readers beside it. SQL lives here and nowhere else.
//!
//! (A) A mutation is answered after its transaction is on the disk (WAL, `synchronous=FULL`), never before.
//! (B) Ownership, idempotency and numbering are checked inside the transaction that changes anything.
//! (C) What is read is verified against its hash before anyone sees it.

pub(crate) mod archive;
mod backup;
pub(crate) mod checkpoints;
mod clock;
pub(crate) mod codec;
mod column;
mod connection;
mod deferred_metrics;
mod files;
pub(crate) mod idempotency;
mod open;
pub(crate) mod pruning;
mod readers;
pub(crate) mod restores;
mod salvage;
pub(crate) mod search;
pub(crate) mod sessions;
pub(crate) mod signals;
mod writer;

use std::sync::Arc;

use prost::Message;
use rusqlite::Connection;

pub use backup::{BackupError, backup};
pub(crate) use open::DATABASE;
pub use open::{Integrity, check_integrity};

use crate::domain::time::UnixMicros;
use crate::error::Error;
use clock::ServiceClock;
pub(crate) use deferred_metrics::after_commit;
use idempotency::IdempotencyKey;
use readers::Readers;
use writer::Writer;
pub(crate) use writer::in_savepoint;

/// The database of one data folder.
#[derive(Clone)]
pub(crate) struct Store {
    inner: Arc<StoreInner>,
}

/// Dropped in this order: SQLite removes its log only if the writer's connection is the last one to close.
struct StoreInner {
    readers: Readers,
    writer: Writer,
    clock: ServiceClock,
    /// Dropped last: another process may open the database from then on.
    _lock: open::DatabaseLock,
}

impl Store {
    /// Runs a mutation in the next group commit and answers when it is on the disk. The same request twice has one
    /// effect and one answer. `bytes` is what the job holds in memory while it waits. A job refuses before it changes
    /// anything, or runs [`in_savepoint`].
    ///
    /// # Errors
    /// What `job` refuses; OVERLOADED if too much waits; DISK_FULL, STORE_UNAVAILABLE if the commit failed.
    pub(crate) async fn mutate<R, F>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        job: F,
    ) -> Result<R, Error>
    where
        R: Message + Default + Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send + 'static,
    {
        self.write(bytes, move |db, now| {
            if let Some(response) = idempotency::replay(db, &key)? {
                return Ok(response);
            }
            let response = job(db, now)?;
            idempotency::record(db, &key, &response, now)?;
            Ok(response)
        })
        .await
    }

    /// Like [`Store::mutate`] for the service's own changes, which no client repeats.
    pub(crate) async fn write<R, F>(&self, bytes: usize, job: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send + 'static,
    {
        self.inner.writer.submit(bytes, job).await
    }

    /// Runs a query on a connection of its own, beside the writer.
    pub(crate) async fn read<R, F>(&self, query: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    {
        self.inner.readers.run(query).await
    }

    /// The service's time.
    pub(crate) fn now(&self) -> UnixMicros {
        self.inner.clock.now()
    }
}
