//! The open database: the writer, the readers, the clock and the lock of one data folder.

use prost::Message;
use rusqlite::Connection;

use crate::clock::ServiceClock;
use crate::error::JobError;
use crate::idempotency::{self, IdempotencyKey};
use crate::lock::DatabaseLock;
use crate::readers::Readers;
use crate::time::UnixMicros;
use crate::writer::Writer;

/// The database of one data folder. Its fields are dropped in this order: SQLite removes its log only if the writer's
/// connection is the last one to close.
pub struct Database {
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) clock: ServiceClock,
    /// Dropped last: another process may open the database from then on.
    pub(crate) _lock: DatabaseLock,
}

impl Database {
    /// Runs a mutation in the next group commit and answers when it is on the disk. The same request twice has one
    /// effect and one answer. `bytes` is what the job holds in memory while it waits. A job refuses before it changes
    /// anything, or runs [`crate::in_savepoint`].
    ///
    /// # Errors
    /// What `job` refuses; [`crate::SqliteError`] if the request id was used for another request, too much waits, or the
    /// commit failed.
    pub async fn mutate<R, E, F>(&self, key: IdempotencyKey, bytes: usize, job: F) -> Result<R, E>
    where
        R: Message + Default + Send + 'static,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, E> + Send + 'static,
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

    /// Like [`Database::mutate`] for the service's own changes, which no client repeats.
    ///
    /// # Errors
    /// What `job` refuses; [`crate::SqliteError`] if too much waits or the commit failed.
    pub async fn write<R, E, F>(&self, bytes: usize, job: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, E> + Send + 'static,
    {
        self.writer.submit(bytes, job).await
    }

    /// Runs a query on a connection of its own, on a blocking thread beside the writer. Every change answered before
    /// is visible to it.
    ///
    /// # Errors
    /// What `query` refuses; [`crate::SqliteError`] if no connection can be opened.
    pub async fn read<R, E, F>(&self, query: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    {
        self.readers.run(query).await
    }

    /// The service's time.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.clock.now()
    }
}
