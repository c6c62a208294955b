//! One open queue, the worker half that takes jobs out of it, and the rules of every call to BullMQ: bounded in time, with
//! errors of the store.

use std::sync::Arc;
use std::time::Duration;

use bullmq::options::RedisConnectionOptions;
use bullmq::redis_connection::RedisConnection;
use bullmq::{Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};
use futures::FutureExt;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::watch;

use crate::connection::{ANSWER_WITHIN, classify};
use crate::error::Error;
use crate::metrics;

/// The token of SHIM's locks on jobs. Any process of SHIM may return a job to its queue; the record says which may.
pub(super) const LOCK_TOKEN: &str = "shim";
/// What BullMQ takes for no lock at all.
pub(super) const NO_TOKEN: &str = "0";
/// What BullMQ calls the worker behind a job that SHIM took (`pb` in the job's hash).
const WORKER_NAME: &str = "shim";
/// Longer than any attempt: a stall checker would hand out the job of a living worker after a shorter lock.
const LOCK_DURATION: Duration = Duration::from_secs(24 * 3_600);
/// How often the drain of the library's events looks whether its queue is still open.
const DRAIN_EVERY: Duration = Duration::from_secs(1);

/// A queue that is open: jobs are put in and moved about. It has no connection of its own.
pub(super) struct OpenQueue {
    pub(super) queue: Queue,
}

/// The half of a queue that takes jobs out. It has two connections of its own, which the library opens for each.
pub(super) struct JobTaker {
    worker: Arc<Worker>,
    /// Dropped with it, which ends the drain of its events, and so its connections.
    _open: watch::Sender<()>,
}

impl JobTaker {
    pub(super) async fn open(
        name: &str,
        prefix: &str,
        connection: RedisConnectionOptions,
        background: &BackgroundTasks,
    ) -> Result<Self, Error> {
        let options = WorkerOptions::new()
            .connection(connection)
            .prefix(prefix)
            .name(WORKER_NAME)
            .lock_duration(LOCK_DURATION)
            .manual_start()
            .skip_stalled_check()
            .skip_lock_renewal();
        let never = |_: Job, _: bullmq::worker::CancellationToken| async {
            Err(bullmq::Error::WorkerClosed)
        };
        let worker = with_timeout(Worker::with_options(name, never, options)).await?;
        let worker = Arc::new(worker);
        let (open, is_open) = watch::channel(());
        drain_events(&worker, is_open, background);
        Ok(Self {
            worker,
            _open: open,
        })
    }

    /// Takes the next job, if one waits.
    pub(super) async fn take(&self) -> Result<Option<Job>, Error> {
        with_timeout(self.worker.get_next_job_nonblocking(LOCK_TOKEN)).await
    }
}

impl OpenQueue {
    /// Opens a queue over the connection that all queues share.
    pub(super) async fn open(
        name: &str,
        prefix: &str,
        connection: RedisConnection,
    ) -> Result<Self, Error> {
        let options = QueueOptions::new().prefix(prefix);
        let queue = with_timeout(Queue::with_connection(name, connection, options)).await?;
        Ok(Self { queue })
    }

    /// Adds a job, unless a job with its id is there.
    pub(super) async fn add(
        &self,
        name: &str,
        data: serde_json::Value,
        options: JobOptions,
    ) -> Result<(), Error> {
        with_timeout(async { self.queue.add(name, data).options(options).await.map(drop) }).await
    }

    pub(super) async fn get(&self, job_id: &str) -> Result<Option<Job>, Error> {
        with_timeout(self.queue.get_job(job_id)).await
    }
}

/// The library sends an event for every job taken into a channel without bounds, which must be emptied.
fn drain_events(worker: &Arc<Worker>, is_open: watch::Receiver<()>, background: &BackgroundTasks) {
    let events = Arc::downgrade(worker);
    let shutdown = background.shutdown().clone();
    background.spawn_restarting("bullmq_events", move || {
        let (events, shutdown, mut is_open) = (events.clone(), shutdown.clone(), is_open.clone());
        async move {
            while let Some(worker) = events.upgrade() {
                tokio::select! {
                    _ = tokio::time::timeout(DRAIN_EVERY, worker.next_event()) => {}
                    _ = is_open.changed() => return,
                    () = shutdown.wait() => return,
                }
            }
        }
    });
}

/// Runs a call to BullMQ within the time that Redis has to answer. Its futures are boxed: what is built on them would be
/// too deep for the compiler.
pub(super) async fn with_timeout<T>(
    call: impl Future<Output = Result<T, bullmq::Error>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WITHIN, call.boxed()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(bullmq::Error::Redis(error))) => {
            let error = classify(&error);
            metrics::count_redis_error(&error);
            Err(error)
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "BullMQ refused");
            Err(Error::Queue(error.to_string()))
        }
        Err(_) => {
            metrics::count_redis_timeout();
            Err(Error::Unavailable("Redis answers slowly".to_owned()))
        }
    }
}
