//! The queues of one process, opened when they are first used and anew after every reconnection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::OnceCell;

use super::address::connection_options;
use super::open_queue::{LOCK_TOKEN, OpenQueue, with_timeout};
use super::reconcile::{self, TaskJob};
use super::taken_job::TakenJob;
use crate::connection::{ANSWER_WITHIN, RedisConnection};
use crate::error::Error;

/// The queues of BullMQ.
pub(crate) struct Queues {
    connection: RedisConnection,
    prefix: String,
    open: Mutex<OpenQueues>,
    background: BackgroundTasks,
}

/// The queues opened over one connection of the store. After a failover BullMQ's own connections would go on asking the
/// old master.
#[derive(Default)]
struct OpenQueues {
    generation: u64,
    /// A queue is opened outside of the lock: only the callers of the same queue wait for it.
    queues: HashMap<String, Arc<OnceCell<Arc<OpenQueue>>>>,
}

impl Queues {
    /// Opens nothing yet; `prefix` is what all keys of the queues begin with.
    pub(crate) fn new(
        connection: RedisConnection,
        prefix: &str,
        background: BackgroundTasks,
    ) -> Self {
        Self {
            connection,
            prefix: prefix.to_owned(),
            open: Mutex::default(),
            background,
        }
    }

    /// Takes the next job out of a queue; `None` if no job waits.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn take(&self, queue: &str) -> Result<Option<TakenJob>, Error> {
        let open = self.open(queue).await?;
        Ok(open.take().await?.map(TakenJob::new))
    }

    /// Makes BullMQ agree with a task's record, whatever it believed before. `take` gives the job, if this process has it;
    /// it is not called while BullMQ is away.
    ///
    /// # Errors
    /// `Queue` if another program's worker has the job, or as the store fails.
    pub(crate) async fn reconcile(
        &self,
        task_job: &TaskJob<'_>,
        take: impl FnOnce() -> Option<TakenJob> + Send,
    ) -> Result<(), Error> {
        let open = self.open(task_job.queue).await?;
        reconcile::reconcile(&open, task_job, take()).await
    }

    /// Puts a job before all of its priority, due now.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn move_to_front(&self, queue: &str, job_id: &str) -> Result<(), Error> {
        let open = self.open(queue).await?;
        let Some(job) = open.get(job_id).await? else {
            return Ok(());
        };
        with_timeout(job.promote()).await?;
        with_timeout(job.change_priority(job.priority(), true)).await
    }

    /// A job's data as its producer wrote it: the library reads nothing from a text with half a character in it, and
    /// cuts long numbers.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn written_data(&self, queue: &str, job_id: &str) -> Result<Vec<u8>, Error> {
        let look = redis::cmd("HGET")
            .arg(format!("{}:{queue}:{job_id}", self.prefix))
            .arg("data")
            .to_owned();
        let data: Option<Vec<u8>> = self.connection.query(&look).await?;
        Ok(data.unwrap_or_default())
    }

    /// Returns a job to its queue that a process of SHIM took, whichever did; `false` if there is no such job.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn put_back_stranded(&self, queue: &str, job_id: &str) -> Result<bool, Error> {
        let open = self.open(queue).await?;
        let Some(job) = open.get(job_id).await? else {
            return Ok(false);
        };
        with_timeout(job.move_to_wait(Some(LOCK_TOKEN))).await?;
        Ok(true)
    }

    /// Removes a job for good.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn discard(&self, queue: &str, taken: &TakenJob) -> Result<(), Error> {
        taken.put_back().await?;
        let open = self.open(queue).await?;
        with_timeout(open.queue.remove(taken.job_id()))
            .await
            .map(drop)
    }

    /// An open queue, over the Redis that the store is connected to now.
    async fn open(&self, name: &str) -> Result<Arc<OpenQueue>, Error> {
        let address = self.connection.address()?;
        self.connection.health().map_err(Error::Unavailable)?;
        let cell = self.cell(name);
        let opening = cell.get_or_try_init(|| async {
            let options = connection_options(address).await?;
            let opened = OpenQueue::open(name, &self.prefix, options, &self.background);
            opened.await.map(Arc::new)
        });
        // Boxed, as in `with_timeout`.
        match tokio::time::timeout(ANSWER_WITHIN, opening.boxed()).await {
            Ok(opened) => opened.cloned(),
            Err(_) => Err(Error::Unavailable("Redis answers slowly".to_owned())),
        }
    }

    fn cell(&self, name: &str) -> Arc<OnceCell<Arc<OpenQueue>>> {
        let generation = self.connection.generation();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.generation != generation {
            *open = OpenQueues {
                generation,
                queues: HashMap::new(),
            };
        }
        if let Some(cell) = open.queues.get(name) {
            return cell.clone();
        }
        let cell = Arc::new(OnceCell::new());
        open.queues.insert(name.to_owned(), cell.clone());
        cell
    }
}
