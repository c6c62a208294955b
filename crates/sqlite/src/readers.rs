//! A few read-only connections, lent to queries on blocking threads. WAL lets them read beside the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};

use crate::connection;
use crate::error::{JobError, SqliteError};
use crate::guard::FileGuard;

/// Queries at once: two cores, and an idle connection costs memory.
const CONNECTIONS: usize = 4;

pub(crate) struct Readers {
    path: PathBuf,
    guard: Arc<FileGuard>,
    /// What the writer says of its files.
    failure: watch::Receiver<Option<SqliteError>>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Semaphore,
}

impl Readers {
    pub(crate) fn new(
        path: PathBuf,
        guard: Arc<FileGuard>,
        failure: watch::Receiver<Option<SqliteError>>,
    ) -> Self {
        Self {
            path,
            guard,
            failure,
            idle: Arc::default(),
            permits: Semaphore::new(CONNECTIONS),
        }
    }

    pub(crate) async fn run<R, E, F>(&self, query: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| SqliteError::Stopping)?;
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        let (guard, failure) = (Arc::clone(&self.guard), self.failure.clone());
        tokio::task::spawn_blocking(move || {
            let free = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = match free {
                Some(db) => Ok(db),
                None => connection::open_reader(&path).map_err(SqliteError::from),
            };
            // Behind the opening, which may have found another file under the name.
            if let Some(difference) = guard.difference() {
                let known = failure.borrow().clone();
                let known = known.filter(|error| matches!(error, SqliteError::Replaced(_)));
                return Err(known
                    .unwrap_or(SqliteError::Replaced(difference.what))
                    .into());
            }
            let db = db?;
            let result = query(&db);
            // A connection that failed may hold a broken state; a new one costs a millisecond.
            let broken = result.as_ref().err().and_then(E::store_error);
            if !matches!(broken, Some(SqliteError::Unavailable(_))) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            }
            result
        })
        .await
        .unwrap_or_else(|_| {
            Err(SqliteError::Unavailable("a query ended in a defect".into()).into())
        })
    }
}
