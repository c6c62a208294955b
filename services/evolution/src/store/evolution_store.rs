//! The handle that every caller holds. Its intents stand in the files beside this one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use prost::Message;
use rusqlite::{Connection, OpenFlags};
use shim_sqlite::idempotency::{self, IdempotencyKey};
use shim_sqlite::{Database, OpenError, SqliteError, UnixMicros};
use tokio::sync::watch;

use super::schema::SCHEMA;
use crate::error::EvolutionError;

/// The database of one data folder. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    db: Arc<Database>,
    /// What the table `trust` says, so that whoever opens a project need not wait.
    pub(super) trust: Arc<RwLock<HashMap<String, bool>>>,
}

impl Store {
    /// Opens the database of `data_dir`, making the folder and mending the file as needed.
    ///
    /// # Errors
    /// If the folder cannot be written, another process has the database, or a newer SHIM wrote it.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenError> {
        shim_runtime::stack::make_private_dir(data_dir)
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        let db = Arc::new(Database::open(&SCHEMA, data_dir)?);
        let path = SCHEMA.database_path(data_dir);
        let trust =
            load_trust(&path).map_err(|error| OpenError::database(&path, &error.to_string()))?;
        Ok(Self {
            db,
            trust: Arc::new(RwLock::new(trust)),
        })
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

    /// See [`Database::mutate`].
    pub(super) async fn mutate<R, F>(
        &self,
        key: IdempotencyKey,
        bytes: usize,
        job: F,
    ) -> Result<R, EvolutionError>
    where
        R: Message + Default + Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, EvolutionError> + Send + 'static,
    {
        self.db.mutate(key, bytes, job).await
    }

    /// See [`Database::write`].
    pub(super) async fn write<R, F>(&self, bytes: usize, job: F) -> Result<R, EvolutionError>
    where
        R: Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, EvolutionError> + Send + 'static,
    {
        self.db.write(bytes, job).await
    }

    /// See [`Database::read`].
    pub(super) async fn read<R, F>(&self, query: F) -> Result<R, EvolutionError>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> Result<R, EvolutionError> + Send + 'static,
    {
        self.db.read(query).await
    }

    /// Forgets answers older than `age` among up to `limit` behind `after`; answers the last one looked at.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn forget_answers(
        &self,
        after: String,
        age: Duration,
        limit: u32,
    ) -> Result<Option<String>, EvolutionError> {
        let before = self.now().minus(age);
        let page = self
            .read(move |db| Ok(idempotency::page(db, &after, limit)?))
            .await?;
        let last = page.last().map(|(id, _)| id.clone());
        let old = page.into_iter().filter(|(_, at)| *at < before);
        let old: Vec<String> = old.map(|(id, _)| id).collect();
        if !old.is_empty() {
            self.write(0, move |db, _| Ok(idempotency::delete(db, &old)?))
                .await?;
        }
        Ok(last)
    }
}

/// All decisions about trust, read before the store is used.
fn load_trust(database: &Path) -> Result<HashMap<String, bool>, SqliteError> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = db.prepare("SELECT root, is_trusted FROM trust")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
