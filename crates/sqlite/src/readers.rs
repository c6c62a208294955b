//! A few read-only connections, lent to queries on blocking threads. WAL lets them read beside the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};

use crate::connection;
use crate::error::{JobError, SqliteError};
use crate::guard::{Difference, FileGuard};

/// Queries at once: two cores, and an idle connection costs memory.
const CONNECTIONS: usize = 4;

pub(crate) struct Readers {
    shared: Arc<Shared>,
    permits: Semaphore,
}

/// What a query needs on whatever thread it runs.
struct Shared {
    path: PathBuf,
    guard: Arc<FileGuard>,
    /// What the writer says of its files.
    failure: watch::Receiver<Option<SqliteError>>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(
        path: PathBuf,
        guard: Arc<FileGuard>,
        failure: watch::Receiver<Option<SqliteError>>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                guard,
                failure,
                idle: Mutex::default(),
            }),
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
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.run(query))
            .await
            .unwrap_or_else(|_| Err(defect()))
    }

    /// Runs the query here, if a connection waits for one; else as [`Readers::run`].
    pub(crate) async fn run_short<R, E, F>(&self, query: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection) -> Result<R, E> + Send + 'static,
    {
        if let Ok(_permit) = self.permits.try_acquire()
            && !self.shared.idle().is_empty()
        {
            let run = AssertUnwindSafe(|| self.shared.run(query));
            return catch_unwind(run).unwrap_or_else(|_| Err(defect()));
        }
        self.run(query).await
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<R, E, F>(&self, query: F) -> Result<R, E>
    where
        E: JobError,
        F: FnOnce(&Connection) -> Result<R, E>,
    {
        let free = self.idle().pop();
        let db = match free {
            Some(db) => Ok(db),
            None => connection::open_reader(&self.path).map_err(SqliteError::from),
        };
        // Behind the opening, which may have found another file under the name.
        if let Some(difference) = self.guard.difference() {
            return Err(said(&self.failure, difference).into());
        }
        let db = db?;
        let result = query(&db);
        // A connection that failed may hold a broken state; a new one costs a millisecond.
        let broken = result.as_ref().err().and_then(E::store_error);
        if !matches!(broken, Some(SqliteError::Unavailable(_))) {
            self.idle().push(db);
        }
        result
    }
}

fn defect<E: JobError>() -> E {
    SqliteError::Unavailable("a query ended in a defect".into()).into()
}

/// What the writer says of its files, which knows where it saved what they held; or what is seen here, if it was faster.
fn said(failure: &watch::Receiver<Option<SqliteError>>, difference: Difference) -> SqliteError {
    let known = failure.borrow().clone();
    let known = known.filter(|error| matches!(error, SqliteError::Replaced(_)));
    known.unwrap_or(SqliteError::Replaced(difference.what))
}
