//! The handle that every caller holds. Its intents stand in the files beside this one.

use std::path::Path;
use std::sync::Arc;

use prost::Message;
use rusqlite::Connection;
use shim_sqlite::idempotency::{self, IdempotencyKey};
use shim_sqlite::{Database, OpenError, SqliteError, UnixMicros};
use tokio::sync::watch;

use super::retry_turns::RetryTurns;
use super::schema::SCHEMA;
use super::tables::memory::{self, Memory};
use super::tables::seals;
use crate::domain::seal::SealKey;
use crate::error::Error;

/// The database of one data folder. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    db: Arc<Database>,
    /// zstd level of stored states.
    pub(super) zstd_level: u32,
    pub(super) retry_turns: Arc<RetryTurns>,
    /// Where the database lies.
    pub(super) data_dir: Arc<Path>,
    /// Seals what is written, if there is one.
    seal_key: Option<SealKey>,
    memory: Arc<Memory>,
}

/// Makes an answer of what the ledger keeps of it.
pub(super) type Rebuild<R> = fn(&Connection, R) -> Result<R, Error>;

/// What preparing a mutation beside the writer came to.
pub(super) enum Prepared<R, P> {
    /// The request was answered before.
    Answered(R),
    /// What the writer needs.
    Ready(P),
}

impl Store {
    /// Opens the database of `data_dir`, making the folder and mending the file as needed.
    ///
    /// # Errors
    /// If the folder cannot be written, another process has the database, or a newer SHIM wrote it.
    pub(crate) fn open(
        data_dir: &Path,
        zstd_level: u32,
        seal_key: Option<SealKey>,
    ) -> Result<Self, OpenError> {
        shim_runtime::stack::make_private_dir(data_dir)
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        Ok(Self {
            db: Arc::new(Database::open(&SCHEMA, data_dir)?),
            zstd_level,
            retry_turns: Arc::default(),
            data_dir: Arc::from(data_dir),
            seal_key,
            memory: Arc::default(),
        })
    }

    /// Seals a database that never was. Without a key, one that was sealed is told of.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn begin_seals(&self) -> Result<(), Error> {
        if self.seal_key.is_none() {
            if self.read(|db| Ok(seals::read_root(db)?.is_some())).await? {
                tracing::warn!(
                    "the database was sealed with a key, and `checkpoint.seal_key_file` is not set: what changes from now on \
                     does not match its seals"
                );
            }
            return Ok(());
        }
        if self.write(0, seals::begin).await? {
            tracing::warn!("the database had no seals; all sessions were sealed as they are now");
        }
        Ok(())
    }

    /// The service's time.
    pub(crate) fn now(&self) -> UnixMicros {
        self.db.now()
    }

    /// See [`Database::failure`].
    pub(crate) fn failure(&self) -> watch::Receiver<Option<SqliteError>> {
        self.db.failure()
    }

    /// See [`Database::try_writing`].
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn try_writing(&self) -> Result<(), SqliteError> {
        self.db.try_writing().await
    }

    /// See [`Database::is_nearly_full`].
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.db.is_nearly_full()
    }

    /// See [`Database::use_reserve`].
    pub(super) fn use_reserve(&self) {
        self.db.use_reserve();
    }

    /// See [`Database::mutate`].
    pub(super) async fn mutate<R, F>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        job: F,
    ) -> Result<R, Error>
    where
        R: Message + Default + Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send + 'static,
    {
        self.db.mutate(key, bytes, self.in_scope(job)).await
    }

    /// See [`Database::mutate_keeping`].
    pub(super) async fn mutate_keeping<R, F>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        rebuild: Rebuild<R>,
        job: F,
    ) -> Result<R, Error>
    where
        R: Message + Default + Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<(R, R), Error> + Send + 'static,
    {
        let job = self.in_scope(job);
        self.db.mutate_keeping(key, bytes, rebuild, job).await
    }

    /// See [`Database::mutate_shortly`].
    pub(super) async fn mutate_shortly<R, F>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        rebuild: Rebuild<R>,
        job: F,
    ) -> Result<R, Error>
    where
        R: Message + Default + Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<(R, R), Error> + Send + 'static,
    {
        let job = self.in_scope(job);
        self.db.mutate_shortly(key, bytes, rebuild, job).await
    }

    /// The job with what the writer's thread knows while it runs.
    fn in_scope<R, F>(
        &self,
        job: F,
    ) -> impl FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send + use<R, F>
    where
        F: FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send,
    {
        let (seal_key, known) = (self.seal_key.clone(), Arc::clone(&self.memory));
        move |db, now| {
            memory::remembering(&known, || {
                seals::sealing(seal_key.as_ref(), || job(db, now))
            })
        }
    }

    /// See [`Database::write`].
    pub(super) async fn write<R, F>(&self, bytes: usize, job: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send + 'static,
    {
        self.db.write(bytes, self.in_scope(job)).await
    }

    /// See [`Database::read`]. One query sees one moment: a state and its segments are read together.
    pub(super) async fn read<R, F>(&self, query: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    {
        self.db.read(self.remembering(query)).await
    }

    /// The query with what is remembered of the database.
    fn remembering<R, F>(
        &self,
        query: F,
    ) -> impl FnOnce(&Connection) -> Result<R, Error> + Send + use<R, F>
    where
        F: FnOnce(&Connection) -> Result<R, Error> + Send,
    {
        let known = Arc::clone(&self.memory);
        move |db| {
            let _one_moment = db.unchecked_transaction()?;
            memory::remembering(&known, || query(db))
        }
    }

    /// Does the costly part of a mutation on a reader, unless the request was answered before. The answer comes first: a
    /// repeated request gets it even if the mutation would be refused by now.
    pub(super) async fn prepare<R, P, F>(
        &self,
        key: &IdempotencyKey,
        work: F,
    ) -> Result<Prepared<R, P>, Error>
    where
        R: Message + Default + Send + 'static,
        P: Send + 'static,
        F: FnOnce(&Connection) -> Result<P, Error> + Send + 'static,
    {
        self.read(unless_answered(key, work)).await
    }

    /// Like [`Store::prepare`] for little work, on the thread of its caller; see [`Database::read_shortly`].
    pub(super) async fn prepare_shortly<R, P, F>(
        &self,
        key: &IdempotencyKey,
        work: F,
    ) -> Result<Prepared<R, P>, Error>
    where
        R: Message + Default + Send + 'static,
        P: Send + 'static,
        F: FnOnce(&Connection) -> Result<P, Error> + Send + 'static,
    {
        let query = self.remembering(unless_answered(key, work));
        self.db.read_shortly(query).await
    }
}

fn unless_answered<R, P, F>(
    key: &IdempotencyKey,
    work: F,
) -> impl FnOnce(&Connection) -> Result<Prepared<R, P>, Error> + Send + use<R, P, F>
where
    R: Message + Default,
    F: FnOnce(&Connection) -> Result<P, Error> + Send,
{
    let key = key.clone();
    move |db| match idempotency::replay(db, &key)? {
        Some(response) => Ok(Prepared::Answered(response)),
        None => work(db).map(Prepared::Ready),
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        SqliteError::from(error).into()
    }
}
