//! A few read-only connections, lent to queries on blocking threads. WAL lets them read beside the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use crate::error::Error;

/// Queries at once: two cores, and an idle connection costs memory.
const CONNECTIONS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Arc::default(),
            permits: Semaphore::new(CONNECTIONS),
        }
    }

    pub(super) async fn run<R, F>(&self, query: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Stopping)?;
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        tokio::task::spawn_blocking(move || {
            let free = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = match free {
                Some(db) => db,
                None => connection::open_reader(&path)?,
            };
            let result = query(&db);
            // A connection that failed may hold a broken state; a new one costs a millisecond.
            if !matches!(result, Err(Error::StoreUnavailable(_))) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            }
            result
        })
        .await
        .unwrap_or_else(|_| Err(Error::StoreUnavailable("a query ended in a defect".into())))
    }
}
