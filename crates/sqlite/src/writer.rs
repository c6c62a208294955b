//! The writer thread: the jobs of all callers, grouped into one transaction for each sync of the disk.
//!
//! While one group is being synced the next one gathers, so all waiting jobs share the cost of a sync.
//! (A) A job sees the effects of the jobs before it. (B) A job that refuses leaves nothing behind.
//! (C) If the commit fails, every job of the group fails with it and nothing of the group is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::clock::ServiceClock;
use crate::error::{JobError, SqliteError};
use crate::guard::{Difference, LogFate};
use crate::rescue::OpenedFiles;
use crate::reserve::Reserve;
use crate::savepoint::run_job;
use crate::schema::Schema;
use crate::time::UnixMicros;
use crate::{connection, deferred};

/// Jobs that may wait.
const QUEUE_CAPACITY: usize = 1024;
/// Bytes that waiting jobs may hold.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// Jobs in one group, and the time spent gathering them.
const MAX_GROUP_JOBS: usize = 256;
const MAX_GROUP_TIME: Duration = Duration::from_millis(10);
/// The schema's idle work runs when no job came for so long,
const IDLE_AFTER: Duration = Duration::from_millis(50);
/// and again after twice the time, up to this: an idle process hardly wakes. Each commit looks at the files, too.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// Answers the waiting caller once the outcome of the commit is known.
type CommitCallback = Box<dyn FnOnce(Result<(), SqliteError>) + Send>;
/// Does its work in the open transaction, or answers the error for which there is none.
type WriteJob =
    Box<dyn FnOnce(Result<(&Connection, UnixMicros), SqliteError>) -> JobOutcome + Send>;

/// What a finished job leaves for the commit.
struct JobOutcome {
    on_commit: CommitCallback,
    /// The database's error, if the job failed for one.
    store_error: Option<SqliteError>,
}

/// The queue of the writer thread. Dropping it lets the thread finish the waiting jobs, and joins it.
pub(crate) struct Writer {
    queue: Option<SyncSender<WriteJob>>,
    waiting_bytes: Arc<AtomicUsize>,
    /// Set until the next group: it may use the reserve.
    wants_room: Arc<AtomicBool>,
    failure: watch::Sender<Option<SqliteError>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(
        schema: &'static Schema,
        files: OpenedFiles,
        db: Connection,
        clock: ServiceClock,
        reserve: Reserve,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_CAPACITY);
        let (wants_room, failure) = (Arc::<AtomicBool>::default(), watch::Sender::default());
        let writer = WriterThread {
            schema,
            files,
            known_difference: None,
            db,
            clock,
            jobs,
            reserve,
            wants_room: Arc::clone(&wants_room),
            failure: failure.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("{}-writer", schema.name))
            .spawn(move || writer.run())?;
        Ok(Self {
            queue: Some(queue),
            waiting_bytes: Arc::default(),
            wants_room,
            failure,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) fn use_reserve(&self) {
        self.wants_room.store(true, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self) -> watch::Receiver<Option<SqliteError>> {
        self.failure.subscribe()
    }

    pub(crate) fn note_failure(&self, error: SqliteError) {
        note(&self.failure, Some(error));
    }

    pub(crate) async fn submit<R, E, F>(&self, bytes: usize, job: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, E> + Send + 'static,
    {
        let reservation = QueueReservation::reserve(&self.waiting_bytes, bytes)?;
        let (reply, response) = oneshot::channel();
        let job: WriteJob = Box::new(move |transaction| {
            let result = match transaction {
                Ok((db, now)) => run_job(db, || job(db, now)),
                Err(error) => Err(E::from(error)),
            };
            let store_error = result
                .as_ref()
                .err()
                .and_then(E::store_error)
                .filter(|error| error.is_failure())
                .cloned();
            let on_commit = Box::new(move |committed: Result<(), SqliteError>| {
                drop(reservation);
                // A job's own refusal stands however the commit went. The caller may be gone; the effect stays, and a
                // repeated request finds its answer in the ledger.
                let _ =
                    reply.send(result.and_then(|value| committed.map(|()| value).map_err(E::from)));
            });
            JobOutcome {
                on_commit,
                store_error,
            }
        });
        let queue = self.queue.as_ref().ok_or(SqliteError::Stopping)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SqliteError::Overloaded,
            TrySendError::Disconnected(_) => SqliteError::Stopping,
        })?;
        response.await.unwrap_or_else(|_| {
            Err(SqliteError::Unavailable("the change ended in a defect".into()).into())
        })
    }
}

/// Passes on a difference only.
fn note(failure: &watch::Sender<Option<SqliteError>>, outcome: Option<SqliteError>) {
    failure.send_if_modified(|known| {
        let is_news = *known != outcome;
        *known = outcome;
        is_news
    });
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
    fn reserve(budget: &Arc<AtomicUsize>, bytes: usize) -> Result<Self, SqliteError> {
        let reservation = Self {
            budget: Arc::clone(budget),
            bytes,
        };
        if budget.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_QUEUED_BYTES {
            return Err(SqliteError::Overloaded);
        }
        Ok(reservation)
    }
}

impl Drop for QueueReservation {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

struct WriterThread {
    schema: &'static Schema,
    files: OpenedFiles,
    /// What is said of files that are not those that were opened, as long as they are not.
    known_difference: Option<(SqliteError, LogFate)>,
    db: Connection,
    clock: ServiceClock,
    jobs: Receiver<WriteJob>,
    reserve: Reserve,
    wants_room: Arc<AtomicBool>,
    failure: watch::Sender<Option<SqliteError>>,
}

impl WriterThread {
    /// No panic ends the thread: without it nothing would be saved until the next start.
    fn run(mut self) {
        let mut idle = IDLE_AFTER;
        loop {
            let outcome = match self.jobs.recv_timeout(idle) {
                Ok(first) => {
                    idle = IDLE_AFTER;
                    catch_unwind(AssertUnwindSafe(|| self.commit_group(first)))
                }
                Err(RecvTimeoutError::Timeout) => {
                    idle = (idle * 2).min(LONGEST_IDLE);
                    catch_unwind(AssertUnwindSafe(|| self.run_idle_work()))
                }
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            };
            if outcome.is_err() {
                deferred::discard_after(0);
                // The new connection has nothing of a transaction that was left open.
                self.reopen();
            }
        }
    }

    fn commit_group(&mut self, first: WriteJob) {
        // A log that was cut is not folded.
        if self.wants_room.swap(false, Ordering::Relaxed) && self.check_files().is_ok() {
            self.make_room();
        }
        let mut callbacks = Vec::new();
        let synced = self.gather_and_commit(first, &mut callbacks);
        // What was written to a file that nobody finds any more is not kept, whatever SQLite says.
        let synced = self.check_files().and(synced);
        (self.schema.on_commit)(callbacks.len(), synced.as_ref().ok().copied());
        match &synced {
            Ok(_) => deferred::run_all(),
            Err(error) => {
                deferred::discard_after(0);
                // What was replaced is said once, when it is found.
                if !matches!(error, SqliteError::Replaced(_)) {
                    tracing::error!(%error, jobs = callbacks.len(), "a group of changes could not be committed");
                }
            }
        }
        let committed = synced.map(drop);
        match &committed {
            Ok(()) => note(&self.failure, None),
            Err(error) if error.is_failure() => note(&self.failure, Some(error.clone())),
            Err(_) => {}
        }
        for on_commit in callbacks {
            on_commit(committed.clone());
        }
        if matches!(
            committed,
            Err(SqliteError::Unavailable(_) | SqliteError::Damaged(_))
        ) {
            self.reopen();
        }
    }

    /// Runs jobs in one transaction. Answers with the time that the commit took.
    fn gather_and_commit(
        &mut self,
        first: WriteJob,
        callbacks: &mut Vec<CommitCallback>,
    ) -> Result<Duration, SqliteError> {
        let begun = self
            .check_files_before_change()
            .and_then(|()| Ok(self.db.execute_batch("BEGIN IMMEDIATE")?));
        if let Err(error) = begun {
            callbacks.push(first(Err(error.clone())).on_commit);
            return Err(error);
        }
        let started = Instant::now();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let outcome = job(Ok((&self.db, self.clock.now())));
            callbacks.push(outcome.on_commit);
            if self.db.is_autocommit() {
                // SQLite rolled back by itself (a full disk, an I/O error), or a job refused after a change.
                return Err(outcome.store_error.unwrap_or(SqliteError::GroupLost));
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
                Err(SqliteError::from(error))
            }
        }
    }

    /// Whether the files are those that were opened. What they held is saved once they are not.
    fn check_files(&mut self) -> Result<(), SqliteError> {
        let difference = self.files.guard.difference();
        self.judge_files(difference)
    }

    /// The same with a short look: a whole one follows when the change is on the disk.
    fn check_files_before_change(&mut self) -> Result<(), SqliteError> {
        let difference = self.files.guard.difference_before_change();
        self.judge_files(difference)
    }

    fn judge_files(&mut self, difference: Option<Difference>) -> Result<(), SqliteError> {
        match (difference, &mut self.known_difference) {
            (None, None) => return Ok(()),
            (None, known) => {
                *known = None;
                self.files.note_mended();
                note(&self.failure, None);
            }
            // One file is cut, then another is put in its place.
            (Some(difference), Some((_, log))) => {
                if *log != difference.log {
                    *log = difference.log;
                    self.files.note_log(*log);
                }
            }
            (Some(difference), known) => {
                let error = self.files.note_replaced(&self.db, &difference);
                note(&self.failure, Some(error.clone()));
                *known = Some((error, difference.log));
            }
        }
        let known = self.known_difference.as_ref();
        known.map_or(Ok(()), |(error, _)| Err(error.clone()))
    }

    /// Starts over from the file: after a failed sync the kernel may have dropped pages that the connection still assumes.
    fn reopen(&mut self) {
        // Another file under the name is not this database.
        if self.check_files().is_err() {
            return;
        }
        match connection::open_writer(&self.files.path) {
            Ok(db) => self.db = db,
            Err(error) => {
                tracing::error!(%error, "the database cannot be reopened; trying again with the next change");
            }
        }
    }

    /// On a disk that is short of room: gives the reserve up, and folds the log into the database, which empties the log.
    fn make_room(&self) {
        if self.reserve.give_up_if_short()
            && let Err(error) = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")
        {
            tracing::debug!(%error, "the log could not be emptied");
        }
    }

    fn run_idle_work(&mut self) {
        if self.check_files().is_err() {
            return;
        }
        self.reserve.restore_in_time();
        if let Err(error) = (self.schema.when_idle)(&self.db) {
            tracing::warn!(%error, "the writer's idle work failed; it is tried again");
        }
    }

    fn close(mut self) {
        let _ = self.check_files();
        if let Some((_, log)) = &self.known_difference
            && *log != LogFate::Folded
        {
            return self.files.close_replaced(self.db, *log);
        }
        // An orderly end leaves one file; a failure leaves the WAL, which the next start replays.
        let _ = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
        if let Err((_, error)) = self.db.close() {
            tracing::warn!(%error, "the database did not close cleanly; its log is replayed at the next start");
        } else if self.known_difference.is_some() {
            // Its log, which was gone, is folded into it now.
            self.files.note_mended();
        }
    }
}
