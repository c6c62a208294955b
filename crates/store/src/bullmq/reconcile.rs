//! Making BullMQ agree with a task's record, whatever it believed before.
//!
//! The job that this process took out is the fast way, and the job of a fresh task is simply added. Any other job is
//! looked up first: a repetition, or another process's death, may have left it anywhere.
//!
//! The job of another program is its owner's: it is moved, removed only if its task was cancelled while it waited, never made
//! anew; and a later job under its id is left alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bullmq::JobState as Location;
use bullmq::error::error_code::JOB_LOCK_NOT_EXIST;
use bullmq::{Job, RetryOptions};
use shim_proto::coordination::v1::Task;

use super::job;
use super::open_queue::{LOCK_TOKEN, NO_TOKEN, OpenQueue, with_timeout};
use super::taken_job::TakenJob;
use crate::error::Error;

/// A task's job as its record wants it.
pub(crate) struct TaskJob<'a> {
    pub(crate) queue: &'a str,
    pub(crate) job_id: &'a str,
    pub(crate) task: &'a Task,
    /// The pause before the second attempt, for workers of other programs.
    pub(crate) backoff: Duration,
    /// When its program made the job, in milliseconds of Unix time, if that is another program and known.
    pub(crate) made_ms: Option<u64>,
    /// Another program made the job.
    pub(crate) is_foreign: bool,
    /// No worker ever took the job, so it is in no queue or where it was added.
    pub(crate) is_fresh: bool,
    pub(crate) state: JobState<'a>,
}

/// Where a job belongs.
#[derive(Clone, Copy)]
pub(crate) enum JobState<'a> {
    /// In its queue, before all of its priority if it was taken before.
    Waiting,
    /// Set aside until a time, in milliseconds of Unix time.
    Delayed { until_ms: u64 },
    /// Among the completed jobs.
    Completed,
    /// Among the failed jobs, for this reason.
    Failed { reason: &'a str },
    /// Nowhere: its task waits for other tasks, or for an approval.
    Absent,
}

pub(super) async fn reconcile(
    open: &OpenQueue,
    task_job: &TaskJob<'_>,
    taken: Option<TakenJob>,
) -> Result<(), Error> {
    let reconciler = Reconciler { open, task_job };
    let taken = match taken {
        // A later job may have its id and the same lock by now.
        Some(taken) if task_job.is_foreign && reconciler.find().await?.1.is_none() => {
            drop(taken);
            None
        }
        taken => taken,
    };
    let (job, result) = taken.map(TakenJob::into_parts).unzip();
    match task_job.state {
        JobState::Waiting => reconciler.ensure_waiting(job).await,
        JobState::Delayed { until_ms } => reconciler.ensure_delayed(job, until_ms).await,
        JobState::Completed => {
            let result = result.unwrap_or_default();
            if let Some(mut job) = job
                && with_timeout(job.move_to_completed(&result)).await.is_ok()
            {
                return Ok(());
            }
            reconciler.ensure_ended().await
        }
        JobState::Failed { reason } => {
            if let Some(mut job) = job
                && with_timeout(job.move_to_failed(reason)).await.is_ok()
            {
                return Ok(());
            }
            reconciler.ensure_ended().await
        }
        JobState::Absent => reconciler.withdraw(job).await,
    }
}

struct Reconciler<'a> {
    open: &'a OpenQueue,
    task_job: &'a TaskJob<'a>,
}

impl Reconciler<'_> {
    async fn ensure_waiting(&self, taken: Option<Job>) -> Result<(), Error> {
        let priority = self.task_job.task.priority;
        if let Some(job) = taken
            && with_timeout(job.move_to_wait(None)).await.is_ok()
            && (job.priority() == priority || self.task_job.is_foreign)
        {
            return Ok(());
        }
        if self.task_job.is_fresh {
            return self.add(Duration::ZERO).await;
        }
        match self.find().await? {
            (Location::Active, Some(job)) => self.return_to_queue(&job).await,
            (Location::Delayed, Some(job)) => {
                self.set_priority(&job, priority).await?;
                with_timeout(job.promote()).await
            }
            (Location::Waiting | Location::Prioritized, Some(job)) => {
                self.set_priority(&job, priority).await
            }
            (Location::Failed, Some(job)) if self.task_job.is_foreign => {
                self.retry(job, "failed").await
            }
            (Location::Completed, Some(job)) if self.task_job.is_foreign => {
                self.retry(job, "completed").await
            }
            // Its owner took it away, which ends the task.
            _ if self.task_job.is_foreign => Ok(()),
            _ => {
                self.remove().await?;
                self.add(Duration::ZERO).await
            }
        }
    }

    /// Puts another program's job into its queue again as its owner made it, with all its attempts.
    async fn retry(&self, mut job: Job, state: &str) -> Result<(), Error> {
        let anew = RetryOptions {
            reset_attempts_made: true,
            reset_attempts_started: true,
        };
        with_timeout(job.retry(state, Some(anew))).await
    }

    /// The job of another program keeps the priority that its owner gave it.
    async fn set_priority(&self, job: &Job, priority: u32) -> Result<(), Error> {
        if job.priority() == priority || self.task_job.is_foreign {
            return Ok(());
        }
        with_timeout(job.change_priority(priority, false)).await
    }

    async fn ensure_delayed(&self, taken: Option<Job>, until_ms: u64) -> Result<(), Error> {
        if let Some(job) = taken
            && with_timeout(job.move_to_delayed(until_ms)).await.is_ok()
        {
            return Ok(());
        }
        if !self.task_job.is_fresh {
            match self.find().await? {
                (Location::Delayed, _) => return Ok(()),
                (Location::Active, Some(job)) => self.return_to_queue(&job).await?,
                _ => {}
            }
            if self.task_job.is_foreign {
                // Whoever takes it next sets it aside.
                return Ok(());
            }
            self.remove().await?;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let delay = Duration::from_millis(until_ms).saturating_sub(now.unwrap_or_default());
        self.add(delay).await
    }

    /// A job whose taker is gone cannot be ended: it is removed.
    async fn ensure_ended(&self) -> Result<(), Error> {
        if self.task_job.is_fresh {
            return self.remove().await;
        }
        match self.find().await? {
            (Location::Completed | Location::Failed, _) | (_, None) => Ok(()),
            (Location::Active, Some(job)) => {
                self.return_to_queue(&job).await?;
                self.remove().await
            }
            _ => self.remove().await,
        }
    }

    async fn withdraw(&self, taken: Option<Job>) -> Result<(), Error> {
        if let Some(job) = taken {
            self.return_to_queue(&job).await?;
        }
        if let (Location::Active, Some(job)) = self.find().await? {
            self.return_to_queue(&job).await?;
        }
        if self.task_job.is_foreign {
            return Ok(());
        }
        self.remove().await
    }

    async fn add(&self, delay: Duration) -> Result<(), Error> {
        let TaskJob { task, backoff, .. } = *self.task_job;
        let mut options = job::options(task, backoff, delay);
        options.job_id = Some(self.task_job.job_id.to_owned());
        self.open
            .add(job::name(task), job::data(task), options)
            .await
    }

    async fn find(&self) -> Result<(Location, Option<Job>), Error> {
        let job_id = self.task_job.job_id;
        let job = self.open.get(job_id).await?;
        let made_ms = self.task_job.made_ms;
        let job = job.filter(|job| made_ms.is_none_or(|made| job.timestamp() == made));
        if job.is_none() {
            return Ok((Location::Unknown, None));
        }
        let location = with_timeout(self.open.queue.get_job_state(job_id)).await?;
        Ok((location, job))
    }

    /// Takes an active job back from whichever process of SHIM has it, or had its lock until that ran out; not from
    /// another program.
    async fn return_to_queue(&self, job: &Job) -> Result<(), Error> {
        match job.move_to_wait(Some(LOCK_TOKEN)).await {
            Err(bullmq::Error::Script { code, .. }) if code == JOB_LOCK_NOT_EXIST => {
                with_timeout(job.move_to_wait(Some(NO_TOKEN)))
                    .await
                    .map(drop)
            }
            returned => with_timeout(async { returned }).await.map(drop),
        }
    }

    async fn remove(&self) -> Result<(), Error> {
        if with_timeout(self.open.queue.remove(self.task_job.job_id)).await? {
            return Ok(());
        }
        Err(Error::Queue("a worker has the job".to_owned()))
    }
}
