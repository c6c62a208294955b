//! What commits: the one connection that writes, with what it watches over. It is worked with by one thread at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use crate::clock::ServiceClock;
use crate::error::SqliteError;
use crate::guard::{Difference, LogFate};
use crate::rescue::OpenedFiles;
use crate::reserve::Reserve;
use crate::schema::Schema;
use crate::time::UnixMicros;
use crate::{connection, deferred};

/// Jobs in one group, and the time spent gathering them.
const MAX_GROUP_JOBS: usize = 256;
const MAX_GROUP_TIME: Duration = Duration::from_millis(10);
/// A commit that took no longer may be made on the thread of its caller.
const QUICK_COMMIT: Duration = Duration::from_millis(1);

/// Answers the waiting caller once the outcome of the commit is known.
pub(crate) type CommitCallback = Box<dyn FnOnce(Result<(), SqliteError>) + Send>;
/// Does its work in the open transaction, or answers the error for which there is none.
pub(crate) type WriteJob =
    Box<dyn FnOnce(Result<(&Connection, UnixMicros), SqliteError>) -> JobOutcome + Send>;

/// What a finished job leaves for the commit.
pub(crate) struct JobOutcome {
    pub(crate) on_commit: CommitCallback,
    /// The database's error, if the job failed for one.
    pub(crate) store_error: Option<SqliteError>,
}

pub(crate) struct Committer {
    pub(crate) schema: &'static Schema,
    pub(crate) files: OpenedFiles,
    /// What is said of files that are not those that were opened, as long as they are not.
    pub(crate) known_difference: Option<(SqliteError, LogFate)>,
    pub(crate) db: Connection,
    pub(crate) clock: ServiceClock,
    pub(crate) reserve: Reserve,
    pub(crate) wants_room: Arc<AtomicBool>,
    pub(crate) failure: watch::Sender<Option<SqliteError>>,
    /// Groups committed, or tried.
    pub(crate) groups: u64,
    /// Whether the group before was one job, whose commit was quick.
    pub(crate) was_quick: Arc<AtomicBool>,
}

/// Passes on a difference only.
pub(crate) fn note(failure: &watch::Sender<Option<SqliteError>>, outcome: Option<SqliteError>) {
    failure.send_if_modified(|known| {
        let is_news = *known != outcome;
        *known = outcome;
        is_news
    });
}

impl Committer {
    /// Commits a group that begins with `first` and goes on with what `more` has. A panic beside the jobs leaves the
    /// committer usable.
    pub(crate) fn commit(&mut self, first: WriteJob, more: impl FnMut() -> Option<WriteJob>) {
        self.groups += 1;
        self.surviving_panics(|committer| committer.commit_group(first, more));
    }

    /// The schema's idle work, and a look at the files. Answers whether something changed: then more may wait.
    pub(crate) fn idle(&mut self) -> bool {
        let before = self.db.total_changes();
        self.surviving_panics(Self::run_idle_work);
        self.db.total_changes() != before
    }

    fn surviving_panics(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            deferred::discard_after(0);
            // The new connection has nothing of a transaction that was left open.
            self.reopen();
        }
    }

    fn commit_group(&mut self, first: WriteJob, more: impl FnMut() -> Option<WriteJob>) {
        // A log that was cut is not folded.
        if self.wants_room.swap(false, Ordering::Relaxed) && self.check_files().is_ok() {
            self.make_room();
        }
        let mut callbacks = Vec::new();
        let synced = self.gather_and_commit(first, more, &mut callbacks);
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
        let is_quick = synced.as_ref().is_ok_and(|took| *took <= QUICK_COMMIT);
        let is_quick = is_quick && callbacks.len() == 1;
        self.was_quick.store(is_quick, Ordering::Relaxed);
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
        mut more: impl FnMut() -> Option<WriteJob>,
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
                next = more();
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

    pub(crate) fn close(mut self) {
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
