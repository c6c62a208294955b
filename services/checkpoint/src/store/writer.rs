//! The writer thread: mutations from everywhere, grouped into one transaction for each sync of the disk.
//!
//! While one group is being synced the next one gathers, so the cost of a sync is shared by all who wait for it.
//! (A) A job sees the effects of the jobs before it. (B) A job that refuses leaves nothing behind.
//! (C) If the commit fails, every job of the group fails with it and nothing of the group is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::clock::ServiceClock;
use super::{connection, deferred_metrics, search};
use crate::domain::time::UnixMicros;
use crate::error::Error;
use crate::metrics;

/// Jobs that may wait.
const QUEUE_CAPACITY: usize = 1024;
/// Bytes that waiting jobs may hold.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// Jobs in one group, and the time spent gathering them.
const MAX_GROUP_JOBS: usize = 256;
const MAX_GROUP_TIME: Duration = Duration::from_millis(10);
/// The full-text index is caught up when nothing came for so long.
const IDLE_AFTER: Duration = Duration::from_millis(50);

/// Tells the waiting caller how the commit went.
type CommitCallback = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Does its work, or is told that it cannot.
type WriteJob = Box<dyn FnOnce(Result<(&Connection, UnixMicros), Error>) -> JobOutcome + Send>;

/// A job that had its turn.
struct JobOutcome {
    on_commit: CommitCallback,
    /// What was wrong with the database, if that is why it failed.
    store_error: Option<Error>,
}

/// The way to the writer thread. Dropping it lets the thread finish what waits, and joins it.
pub(super) struct Writer {
    queue: Option<SyncSender<WriteJob>>,
    waiting_bytes: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        path: PathBuf,
        db: Connection,
        clock: ServiceClock,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_CAPACITY);
        let thread = std::thread::Builder::new()
            .name("checkpoint-writer".into())
            .spawn(move || {
                WriterThread {
                    path,
                    db,
                    clock,
                    jobs,
                }
                .run();
            })?;
        Ok(Self {
            queue: Some(queue),
            waiting_bytes: Arc::default(),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) async fn submit<R, F>(&self, bytes: usize, job: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, Error> + Send + 'static,
    {
        let reservation = QueueReservation::reserve(&self.waiting_bytes, bytes)?;
        let (reply, response) = oneshot::channel();
        let job: WriteJob = Box::new(move |transaction| {
            let result = transaction.and_then(|(db, now)| run_job(db, || job(db, now)));
            let store_error = result
                .as_ref()
                .err()
                .filter(|error| error.is_store_failure())
                .cloned();
            let on_commit = Box::new(move |committed: Result<(), Error>| {
                drop(reservation);
                // A job's own refusal stands however the commit went. The caller may have gone; the effect stays, and
                // its retry finds the answer in the ledger.
                let _ = reply.send(result.and_then(|value| committed.map(|()| value)));
            });
            JobOutcome {
                on_commit,
                store_error,
            }
        });
        let queue = self.queue.as_ref().ok_or(Error::Stopping)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => Error::Stopping,
        })?;
        response.await.unwrap_or(Err(Error::Stopping))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            let _ = thread.join();
        }
    }
}

/// Bytes counted against the queue's budget until the job is answered.
struct QueueReservation {
    budget: Arc<AtomicUsize>,
    bytes: usize,
}

impl QueueReservation {
    fn reserve(budget: &Arc<AtomicUsize>, bytes: usize) -> Result<Self, Error> {
        let reservation = Self {
            budget: Arc::clone(budget),
            bytes,
        };
        if budget.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_QUEUED_BYTES {
            return Err(Error::Overloaded);
        }
        Ok(reservation)
    }
}

impl Drop for QueueReservation {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Runs a job. One that refuses must refuse before it changes anything (jobs that cannot promise that run in a
/// savepoint of their own, see [`in_savepoint`]); if it changed something all the same, nothing of the group may stay.
fn run_job<R>(db: &Connection, job: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    let before = db.total_changes();
    let mark = deferred_metrics::pending_len();
    let result = catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
        Err(Error::StoreUnavailable(
            "the change ended in a defect".into(),
        ))
    });
    if result.is_err() {
        deferred_metrics::discard_after(mark);
    }
    if result.is_err() && db.total_changes() != before && !db.is_autocommit() {
        // The group's turn ends: gather_and_commit sees the missing transaction.
        db.execute_batch("ROLLBACK")?;
    }
    result
}

/// Runs `work` so that a refusal leaves nothing of it behind. It costs a copy of every page that `work` changes.
pub(crate) fn in_savepoint<R>(
    db: &Connection,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    db.execute_batch("SAVEPOINT job")?;
    let mark = deferred_metrics::pending_len();
    let result = work();
    if result.is_err() {
        deferred_metrics::discard_after(mark);
    }
    // After a full disk or an I/O error SQLite may have rolled everything back already.
    if !db.is_autocommit() {
        db.execute_batch(if result.is_ok() {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        })?;
    }
    result
}

struct WriterThread {
    path: PathBuf,
    db: Connection,
    clock: ServiceClock,
    jobs: Receiver<WriteJob>,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            match self.jobs.recv_timeout(IDLE_AFTER) {
                Ok(first) => self.commit_group(first),
                Err(RecvTimeoutError::Timeout) => self.index_when_idle(),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
        }
    }

    fn commit_group(&mut self, first: WriteJob) {
        let mut callbacks = Vec::new();
        let synced = self.gather_and_commit(first, &mut callbacks);
        metrics::record_commit(callbacks.len(), synced.as_ref().ok().copied());
        match &synced {
            Ok(_) => deferred_metrics::run_all(),
            Err(error) => {
                deferred_metrics::discard_after(0);
                tracing::error!(%error, jobs = callbacks.len(), "a group of changes could not be committed");
            }
        }
        let committed = synced.map(drop);
        for on_commit in callbacks {
            on_commit(committed.clone());
        }
        if matches!(
            committed,
            Err(Error::StoreUnavailable(_) | Error::Damaged(_))
        ) {
            self.reopen();
        }
    }

    /// Answers with the time that the commit took.
    fn gather_and_commit(
        &self,
        first: WriteJob,
        callbacks: &mut Vec<CommitCallback>,
    ) -> Result<Duration, Error> {
        if let Err(error) = self.db.execute_batch("BEGIN IMMEDIATE") {
            let error = Error::from(error);
            callbacks.push(first(Err(error.clone())).on_commit);
            return Err(error);
        }
        let started = Instant::now();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let outcome = job(Ok((&self.db, self.clock.now())));
            callbacks.push(outcome.on_commit);
            if self.db.is_autocommit() {
                // SQLite rolled back by itself (a full disk, an I/O error), or a job broke off half-way.
                return Err(outcome.store_error.unwrap_or(Error::GroupLost));
            }
            if callbacks.len() < MAX_GROUP_JOBS && started.elapsed() < MAX_GROUP_TIME {
                next = self.jobs.try_recv().ok();
            }
        }
        let begun = Instant::now();
        match self.db.execute_batch("COMMIT") {
            Ok(()) => Ok(begun.elapsed()),
            Err(error) => {
                // A failed COMMIT may leave the transaction open; nothing of it may stay.
                let _ = self.db.execute_batch("ROLLBACK");
                Err(Error::from(error))
            }
        }
    }

    /// After a failed sync the kernel may have dropped pages the connection believes in: start over from the file.
    fn reopen(&mut self) {
        match connection::open_writer(&self.path) {
            Ok(db) => self.db = db,
            Err(error) => {
                tracing::error!(%error, "the database cannot be reopened; trying again with the next change");
            }
        }
    }

    fn index_when_idle(&mut self) {
        if let Err(error) = search::catch_up_when_idle(&self.db) {
            tracing::warn!(%error, "the search index could not be caught up");
        }
    }

    fn close(self) {
        // An orderly end leaves one file; a failure leaves the WAL, which the next start replays.
        let _ = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(%error, "the database did not close cleanly; its log is replayed at the next start");
        }
    }
}
