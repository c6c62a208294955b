//! The queues of one process, opened when they are first used and anew after every reconnection.
//!
//! All queues share one connection. Only taking jobs out needs more, so of the [`JobTaker`]s those used last stay open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bullmq::redis_connection::RedisConnection as QueueConnection;
use futures::FutureExt;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::OnceCell;

use super::address::connection_options;
use super::open_queue::{JobTaker, LOCK_TOKEN, OpenQueue, with_timeout};
use super::reconcile::{self, TaskJob};
use super::taken_job::TakenJob;
use crate::connection::{ANSWER_WITHIN, RedisConnection};
use crate::error::Error;

/// Queues that stay open for taking jobs out, two connections each; another one closes the one used longest ago.
const MAX_TAKERS: usize = 16;

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
    /// What all queues share.
    connection: Arc<OnceCell<QueueConnection>>,
    /// A queue is opened outside of the lock: only the callers of the same queue wait for it.
    queues: HashMap<String, Opening<OpenQueue>>,
    /// Used last comes last.
    takers: Vec<(String, Opening<JobTaker>)>,
}

/// What one caller opens and the others wait for.
type Opening<T> = Arc<OnceCell<Arc<T>>>;

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
        let taker = self.taker(queue).await?;
        Ok(taker.take().await?.map(TakenJob::new))
    }

    /// Closes the queues that are not to be kept.
    pub(crate) fn retain(&self, keeps: impl Fn(&str) -> bool) {
        let mut open = self.current();
        open.queues.retain(|name, _| keeps(name));
        open.takers.retain(|(name, _)| keeps(name));
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
        let (cell, shared) = {
            let mut open = self.current();
            let cell = open.queues.entry(name.to_owned()).or_default().clone();
            (cell, open.connection.clone())
        };
        let opening = cell.get_or_try_init(|| async {
            let connection = shared.get_or_try_init(|| async {
                let options = connection_options(address).await?;
                with_timeout(QueueConnection::new_managed_only(&options)).await
            });
            let connection = connection.await?.clone();
            let opened = OpenQueue::open(name, &self.prefix, connection);
            opened.await.map(Arc::new)
        });
        opened_in_time(opening).await.cloned()
    }

    /// The half of a queue that takes jobs out.
    async fn taker(&self, name: &str) -> Result<Arc<JobTaker>, Error> {
        let address = self.connection.address()?;
        self.connection.health().map_err(Error::Unavailable)?;
        let cell = self.current().taker(name);
        let opening = cell.get_or_try_init(|| async {
            let options = connection_options(address).await?;
            let opened = JobTaker::open(name, &self.prefix, options, &self.background);
            opened.await.map(Arc::new)
        });
        opened_in_time(opening).await.cloned()
    }

    /// What is open over the connection that there is now.
    fn current(&self) -> MutexGuard<'_, OpenQueues> {
        let generation = self.connection.generation();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.generation != generation {
            *open = OpenQueues {
                generation,
                ..OpenQueues::default()
            };
        }
        open
    }
}

impl OpenQueues {
    fn taker(&mut self, name: &str) -> Opening<JobTaker> {
        let known = self.takers.iter().position(|(known, _)| known == name);
        let taker = match known {
            Some(at) => self.takers.remove(at).1,
            None => Arc::default(),
        };
        self.takers.push((name.to_owned(), taker.clone()));
        if self.takers.len() > MAX_TAKERS {
            self.takers.remove(0);
        }
        taker
    }
}

/// Opens within the time that Redis has to answer. Boxed, as in `with_timeout`.
async fn opened_in_time<T>(
    opening: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WITHIN, opening.boxed()).await {
        Ok(opened) => opened,
        Err(_) => Err(Error::Unavailable("Redis answers slowly".to_owned())),
    }
}
