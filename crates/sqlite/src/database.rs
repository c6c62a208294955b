//! The open database: the writer, the readers, the clock and the lock of one data folder.

use std::path::PathBuf;
use std::sync::Arc;

use prost::Message;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use crate::clock::ServiceClock;
use crate::error::{JobError, SqliteError};
use crate::health;
use crate::idempotency::{self, IdempotencyKey};
use crate::lock::DatabaseLock;
use crate::readers::Readers;
use crate::time::UnixMicros;
use crate::writer::Writer;

/// The row of the ledger that [`Database::try_writing`] writes. No client's request id has a space.
const TRIED_KEY: &str = "a try of the disk";

/// The database of one data folder. Its fields are dropped in this order: SQLite removes its log only if the writer's
/// connection is the last one to close.
pub struct Database {
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) clock: ServiceClock,
    /// The schema's name.
    pub(crate) name: &'static str,
    pub(crate) data_dir: PathBuf,
    /// Dropped last: another process may open the database from then on.
    pub(crate) _lock: Arc<DatabaseLock>,
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

    /// Like [`Database::mutate`], where `job` answers what is kept of its answer, too: what can be read again is left out
    /// of it, since each change writes it. `rebuild` makes the answer of what was kept.
    ///
    /// # Errors
    /// As [`Database::mutate`]; what `rebuild` refuses.
    pub async fn mutate_keeping<R, K, E, F, B>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        rebuild: B,
        job: F,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        K: Message + Default,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<(R, K), E> + Send + 'static,
        B: FnOnce(&Connection, K) -> Result<R, E> + Send + 'static,
    {
        self.write(bytes, keeping(key, rebuild, job)).await
    }

    /// Like [`Database::mutate_keeping`] for a job that is done within some hundred microseconds: alone and on a quick
    /// disk it is committed on the thread of its caller, without a detour over the writer's.
    ///
    /// # Errors
    /// As [`Database::mutate_keeping`].
    pub async fn mutate_shortly<R, K, E, F, B>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        rebuild: B,
        job: F,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        K: Message + Default,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<(R, K), E> + Send + 'static,
        B: FnOnce(&Connection, K) -> Result<R, E> + Send + 'static,
    {
        let job = keeping(key, rebuild, job);
        self.writer.submit_short(bytes, job).await
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

    /// Like [`Database::read`] for a query that is done within some hundred microseconds: it runs on the thread of its
    /// caller if a connection is free.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub async fn read_shortly<R, E, F>(&self, query: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    {
        self.readers.run_short(query).await
    }

    /// Lets the changes that follow use the room that is kept back, if the disk is short of it: to be called before each
    /// change that drops contents.
    pub fn use_reserve(&self) {
        self.writer.use_reserve();
    }

    /// Why the newest change was not kept; `None` since one was kept again.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<SqliteError>> {
        self.writer.failure()
    }

    /// Whether the disk has so little room that only [`Database::try_writing`] tells whether a change can be kept.
    #[must_use]
    pub fn is_nearly_full(&self) -> bool {
        health::is_nearly_full(&self.data_dir)
    }

    /// Whether changes can be kept now, found out by writing: as much as a large change takes into the folder, and a row
    /// into the database. [`Database::failure`] knows the outcome afterwards.
    ///
    /// # Errors
    /// As a change would be refused.
    pub async fn try_writing(&self) -> Result<(), SqliteError> {
        let (folder, name) = (self.data_dir.clone(), self.name);
        let tried = tokio::task::spawn_blocking(move || health::try_folder(&folder, name)).await;
        let tried =
            tried.unwrap_or_else(|defect| Err(SqliteError::Unavailable(defect.to_string())));
        if let Err(error) = tried {
            self.writer.note_failure(error.clone());
            return Err(error);
        }
        self.write(0, |db, now| -> Result<(), SqliteError> {
            db.execute(
                "INSERT OR REPLACE INTO requests (id, digest, answer, created_at) VALUES (?1, x'', x'', ?2)",
                params![TRIED_KEY, now.0],
            )?;
            Ok(())
        })
        .await
    }

    /// The service's time.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.clock.now()
    }
}

/// The job behind a look into the ledger, which it writes what is kept of its answer into.
fn keeping<R, K, E, F, B>(
    key: IdempotencyKey,
    rebuild: B,
    job: F,
) -> impl FnOnce(&Connection, UnixMicros) -> Result<R, E> + Send + 'static
where
    K: Message + Default,
    E: JobError,
    F: FnOnce(&Connection, UnixMicros) -> Result<(R, K), E> + Send + 'static,
    B: FnOnce(&Connection, K) -> Result<R, E> + Send + 'static,
{
    move |db, now| {
        if let Some(kept) = idempotency::replay(db, &key)? {
            return rebuild(db, kept);
        }
        let (response, kept) = job(db, now)?;
        idempotency::record(db, &key, &kept, now)?;
        Ok(response)
    }
}
