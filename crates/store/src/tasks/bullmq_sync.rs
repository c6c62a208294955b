//! Making BullMQ agree with a task's record, whatever it believed before.
//!
//! The jobs this process took out are the fast way, and a job that was never put anywhere is simply added. Anything else is
//! looked up first: a repetition, or another process's death, may have left the job anywhere.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bullmq::error::error_code::JOB_LOCK_NOT_EXIST;
use bullmq::{Job, JobState};
use shim_proto::coordination::v1::{Task, TaskState};

use super::job;
use super::outbox_relay::OutboxRelay;
use super::queue::{LOCK_TOKEN, NO_TOKEN, OpenQueue, with_timeout};
use super::rows::Row;
use crate::error::Error;

/// What is thought of where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobLocation {
    /// Where the record's way so far left it.
    Expected,
    /// Anywhere.
    Lost,
}

/// Whether workers should look for a task.
pub(super) fn can_start(row: &Row) -> bool {
    row.state() == TaskState::Ready
}

/// Makes BullMQ agree with a record, and frees the files of a task that needs them no more.
pub(super) async fn reconcile(
    relay: &OutboxRelay,
    row: &Row,
    job_location: JobLocation,
) -> Result<(), Error> {
    if row.field("parts") == "1" {
        // Nobody runs a job with subtasks.
        return Ok(());
    }
    let state = row.state();
    if matches!(state, TaskState::Running | TaskState::Unspecified) {
        return Ok(());
    }
    let job_ref = JobRef::of(relay, row, job_location).await?;
    match state {
        TaskState::Ready => job_ref.ensure_waiting(relay, row).await,
        TaskState::Delayed => job_ref.ensure_delayed(relay, row).await,
        TaskState::AwaitingApproval if row.field("gate") == "result" => {
            job_ref.finish(relay, row).await
        }
        TaskState::Pending | TaskState::AwaitingApproval => {
            job_ref.withdraw(relay, row).await?;
            relay.free_files(row).await
        }
        _ => {
            job_ref.finish(relay, row).await?;
            relay.free_files(row).await
        }
    }
}

/// Where a task's job is looked for.
struct JobRef {
    open: Arc<OpenQueue>,
    job_id: String,
    /// Nobody ever took it, so it is nowhere or where it was put.
    is_fresh: bool,
}

impl JobRef {
    async fn of(relay: &OutboxRelay, row: &Row, job_location: JobLocation) -> Result<Self, Error> {
        let own = row.field("job");
        let has_been = |what: &str| !row.field(what).is_empty();
        Ok(Self {
            open: relay.open(row.field("queue")).await?,
            job_id: if own.is_empty() { &row.id } else { own }.to_owned(),
            is_fresh: job_location == JobLocation::Expected
                && own.is_empty()
                && !has_been("started")
                && !has_been("escalated")
                && !has_been("retried"),
        })
    }

    /// Puts the job where workers take it, before all of its priority if it was taken before.
    async fn ensure_waiting(&self, relay: &OutboxRelay, row: &Row) -> Result<(), Error> {
        if self.is_fresh {
            return self.add(row, Duration::ZERO).await;
        }
        let priority = row.field("priority").parse().unwrap_or_default();
        if let Some((job, _)) = relay.take_job(row)
            && with_timeout(job.move_to_wait(None)).await.is_ok()
            && job.priority() == priority
        {
            return Ok(());
        }
        match self.find().await? {
            (JobState::Active, Some(job)) => self.return_to_queue(&job).await,
            (JobState::Delayed, Some(job)) => {
                self.set_priority(&job, priority).await?;
                with_timeout(job.promote()).await
            }
            (JobState::Waiting | JobState::Prioritized, Some(job)) => {
                self.set_priority(&job, priority).await
            }
            _ => {
                self.remove().await?;
                self.add(row, Duration::ZERO).await
            }
        }
    }

    /// A job that another program put in without a priority goes first, and keeps that.
    async fn set_priority(&self, job: &Job, priority: u32) -> Result<(), Error> {
        if job.priority() == priority || job.priority() == 0 {
            return Ok(());
        }
        with_timeout(job.change_priority(priority, false)).await
    }

    /// Puts the job where it waits for its time.
    async fn ensure_delayed(&self, relay: &OutboxRelay, row: &Row) -> Result<(), Error> {
        let until: u64 = row.field("from").parse().unwrap_or_default();
        if let Some((job, _)) = relay.take_job(row)
            && with_timeout(job.move_to_delayed(until)).await.is_ok()
        {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let delay = Duration::from_millis(until).saturating_sub(now.unwrap_or_default());
        if !self.is_fresh {
            match self.find().await? {
                (JobState::Delayed, _) => return Ok(()),
                (JobState::Active, Some(job)) => self.return_to_queue(&job).await?,
                _ => {}
            }
            self.remove().await?;
        }
        self.add(row, delay).await
    }

    /// Ends the job as its task ended. If its taker is gone, it is taken out.
    async fn finish(&self, relay: &OutboxRelay, row: &Row) -> Result<(), Error> {
        if let Some((mut job, result)) = relay.take_job(row) {
            let ended = match row.state() {
                TaskState::Failed | TaskState::Cancelled => {
                    let why = row.text("message");
                    with_timeout(job.move_to_failed(&why)).await
                }
                _ => with_timeout(job.move_to_completed(&result)).await,
            };
            if ended.is_ok() {
                return Ok(());
            }
        }
        if self.is_fresh {
            return self.remove().await;
        }
        match self.find().await? {
            (JobState::Completed | JobState::Failed, _) | (_, None) => Ok(()),
            (JobState::Active, Some(job)) => {
                self.return_to_queue(&job).await?;
                self.remove().await
            }
            _ => self.remove().await,
        }
    }

    /// Takes the job out of whatever it is in: its task waits for others, or for an approval.
    async fn withdraw(&self, relay: &OutboxRelay, row: &Row) -> Result<(), Error> {
        if let Some((job, _)) = relay.take_job(row) {
            self.return_to_queue(&job).await?;
        }
        if let (JobState::Active, Some(job)) = self.find().await? {
            self.return_to_queue(&job).await?;
        }
        self.remove().await
    }

    async fn add(&self, row: &Row, delay: Duration) -> Result<(), Error> {
        let task: Task = row.task()?;
        let pause = Duration::from_millis(row.field("pause").parse().unwrap_or_default());
        let mut options = job::options(&task, pause, delay);
        options.job_id = Some(self.job_id.clone());
        self.open
            .add(job::name(&task), job::data(&task), options)
            .await
    }

    async fn find(&self) -> Result<(JobState, Option<Job>), Error> {
        let job = with_timeout(self.open.queue.get_job(&self.job_id)).await?;
        if job.is_none() {
            return Ok((JobState::Unknown, None));
        }
        let state = with_timeout(self.open.queue.get_job_state(&self.job_id)).await?;
        Ok((state, job))
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
            given => with_timeout(async { given }).await.map(drop),
        }
    }

    async fn remove(&self) -> Result<(), Error> {
        if with_timeout(self.open.queue.remove(&self.job_id)).await? {
            return Ok(());
        }
        Err(Error::Queue("a worker has the job".to_owned()))
    }
}
