//! The writer: the jobs of all callers, grouped into one transaction for each sync of the disk.
//!
//! While one group is being synced the next one gathers, so all waiting jobs share the cost of a sync. A short job that
//! comes alone is committed on its caller's thread: it waits for no other thread to wake, nor its caller for the answer.
//! (A) A job sees the effects of the jobs before it. (B) A job that refuses leaves nothing behind.
//! (C) If the commit fails, every job of the group fails with it and nothing of the group is kept.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{oneshot, watch};

use crate::clock::ServiceClock;
use crate::committer::{Committer, JobOutcome, WriteJob, note};
use crate::error::{JobError, SqliteError};
use crate::rescue::OpenedFiles;
use crate::reserve::Reserve;
use crate::savepoint::run_job;
use crate::schema::Schema;
use crate::time::UnixMicros;

/// Jobs that may wait.
const QUEUE_CAPACITY: usize = 1024;
/// Bytes that waiting jobs may hold.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// A job on its caller's thread holds no more, so that its work there is short.
const MAX_BYTES_HERE: usize = 128 * 1024;
/// The schema's idle work runs when no job came for so long,
const IDLE_AFTER: Duration = Duration::from_millis(50);
/// and again after twice the time, up to this: an idle process hardly wakes. Each commit looks at the files, too.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// The one that commits, until the writer's thread closes it.
type SharedCommitter = Arc<Mutex<Option<Committer>>>;

/// The queue of the writer thread. Dropping it lets the thread finish the waiting jobs, and joins it.
pub(crate) struct Writer {
    queue: Option<SyncSender<WriteJob>>,
    committer: SharedCommitter,
    open_jobs: Arc<OpenJobs>,
    /// Set until the next group: it may use the reserve.
    wants_room: Arc<AtomicBool>,
    was_quick: Arc<AtomicBool>,
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
        let was_quick = Arc::<AtomicBool>::default();
        let committer = Arc::new(Mutex::new(Some(Committer {
            schema,
            files,
            known_difference: None,
            db,
            clock,
            reserve,
            wants_room: Arc::clone(&wants_room),
            failure: failure.clone(),
            groups: 0,
            was_quick: Arc::clone(&was_quick),
        })));
        let writer = WriterThread {
            committer: Arc::clone(&committer),
            jobs,
            groups: 0,
        };
        let thread = std::thread::Builder::new()
            .name(format!("{}-writer", schema.name))
            .spawn(move || writer.run())?;
        Ok(Self {
            queue: Some(queue),
            committer,
            open_jobs: Arc::default(),
            wants_room,
            was_quick,
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
        let (job, response) = self.prepare(bytes, job)?;
        self.enqueue(job)?;
        answer(response).await
    }

    /// The same for a job that is done within some hundred microseconds. If it is the only one, and commits are quick, it
    /// is committed on this thread. The runtime's other threads take over this one's tasks, but for the one that it would
    /// run next: that waits for the commit. A disk that becomes slow holds up one thread once. Giving way first would cost
    /// what is gained.
    pub(crate) async fn submit_short<R, E, F>(&self, bytes: usize, job: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, E> + Send + 'static,
    {
        let (mut job, response) = self.prepare(bytes, job)?;
        if bytes <= MAX_BYTES_HERE && self.is_quick_and_alone() && is_one_of_many_threads() {
            job = match self.commit_here(job) {
                Some(job) => job,
                None => return answer(response).await,
            };
        }
        self.enqueue(job)?;
        answer(response).await
    }

    fn is_quick_and_alone(&self) -> bool {
        self.was_quick.load(Ordering::Relaxed) && self.open_jobs.count.load(Ordering::Relaxed) == 1
    }

    /// Commits the job, or gives it back if others came or the writer's thread is at work.
    fn commit_here(&self, job: WriteJob) -> Option<WriteJob> {
        if !self.is_quick_and_alone() {
            return Some(job);
        }
        let mut committer = match self.committer.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Some(job),
        };
        let Some(committer) = committer.as_mut() else {
            return Some(job);
        };
        committer.commit(job, || None);
        None
    }

    fn prepare<R, E, F>(
        &self,
        bytes: usize,
        job: F,
    ) -> Result<(WriteJob, oneshot::Receiver<Result<R, E>>), E>
    where
        R: Send + 'static,
        E: JobError,
        F: FnOnce(&Connection, UnixMicros) -> Result<R, E> + Send + 'static,
    {
        let reservation = QueueReservation::reserve(&self.open_jobs, bytes)?;
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
        Ok((job, response))
    }

    fn enqueue(&self, job: WriteJob) -> Result<(), SqliteError> {
        let queue = self.queue.as_ref().ok_or(SqliteError::Stopping)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SqliteError::Overloaded,
            TrySendError::Disconnected(_) => SqliteError::Stopping,
        })
    }
}

async fn answer<R, E: JobError>(response: oneshot::Receiver<Result<R, E>>) -> Result<R, E> {
    response.await.unwrap_or_else(|_| {
        Err(SqliteError::Unavailable("the change ended in a defect".into()).into())
    })
}

/// Whether other threads go on with the runtime's tasks while this one waits for the disk.
fn is_one_of_many_threads() -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        runtime.runtime_flavor() == RuntimeFlavor::MultiThread
            && runtime.metrics().num_workers() > 1
    })
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

/// The jobs that were not answered yet, and what they hold.
#[derive(Default)]
struct OpenJobs {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// A job and its bytes, counted against the queue's budget until the job is answered.
struct QueueReservation {
    budget: Arc<OpenJobs>,
    bytes: usize,
}

impl QueueReservation {
    fn reserve(budget: &Arc<OpenJobs>, bytes: usize) -> Result<Self, SqliteError> {
        budget.count.fetch_add(1, Ordering::Relaxed);
        let reservation = Self {
            budget: Arc::clone(budget),
            bytes,
        };
        if budget.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_QUEUED_BYTES {
            return Err(SqliteError::Overloaded);
        }
        Ok(reservation)
    }
}

impl Drop for QueueReservation {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.count.fetch_sub(1, Ordering::Relaxed);
    }
}

struct WriterThread {
    committer: SharedCommitter,
    jobs: Receiver<WriteJob>,
    /// The groups that were committed when this thread looked last, here or elsewhere.
    groups: u64,
}

impl WriterThread {
    /// No panic ends the thread: without it nothing would be saved until the next start.
    fn run(mut self) {
        let mut idle = IDLE_AFTER;
        loop {
            match self.jobs.recv_timeout(idle) {
                Ok(first) => {
                    idle = IDLE_AFTER;
                    let jobs = &self.jobs;
                    if let Some(committer) = lock(&self.committer).as_mut() {
                        committer.commit(first, || jobs.try_recv().ok());
                    }
                }
                Err(RecvTimeoutError::Timeout) if self.run_idle_work() => {
                    idle = (idle * 2).min(LONGEST_IDLE);
                }
                Err(RecvTimeoutError::Timeout) => idle = IDLE_AFTER,
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
        }
    }

    /// Nothing is idle while callers commit on their own threads. Answers whether all was idle and nothing is left to do.
    fn run_idle_work(&mut self) -> bool {
        let mut committer = lock(&self.committer);
        let Some(committer) = committer.as_mut() else {
            return true;
        };
        let were_groups = std::mem::replace(&mut self.groups, committer.groups);
        were_groups == committer.groups && !committer.idle()
    }

    fn close(self) {
        let committer = lock(&self.committer).take();
        if let Some(committer) = committer {
            committer.close();
        }
    }
}

fn lock(committer: &SharedCommitter) -> MutexGuard<'_, Option<Committer>> {
    committer.lock().unwrap_or_else(PoisonError::into_inner)
}
