//! Making BullMQ agree with a task's record, whatever it believed before.
//!
//! The jobs this process took out are the fast way. Anything else is looked up first: a repetition, or another process's
//! death, may have left the job anywhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bullmq::{Job, JobState};
use redis::cmd;
use shim_proto::coordination::v1::{Task, TaskState};

use super::carrier::Carrier;
use super::job;
use super::queue::{LOCK_TOKEN, OpenQueue, timely};
use super::rows::Row;
use crate::error::Error;

/// Whether workers should look for a task.
pub(super) fn can_start(row: &Row) -> bool {
    row.state() == TaskState::Ready
}

/// Makes BullMQ agree with a record, and frees the files of a task that ended.
pub(super) async fn agree(carrier: &Carrier, row: &Row) -> Result<(), Error> {
    if row.field("parts") == "1" {
        // Nobody runs a job with subtasks.
        return Ok(());
    }
    let state = row.state();
    let place = Place::of(carrier, row).await?;
    match state {
        TaskState::Running | TaskState::Unspecified => Ok(()),
        TaskState::Ready => place.make_wait(carrier, row).await,
        TaskState::Delayed => place.make_late(carrier, row).await,
        TaskState::Pending => place.take_out().await,
        TaskState::AwaitingApproval if row.field("gate") == "start" => place.take_out().await,
        TaskState::AwaitingApproval
        | TaskState::Completed
        | TaskState::Failed
        | TaskState::Cancelled => {
            place.end(carrier, row).await?;
            free_files(carrier, row).await
        }
    }
}

async fn free_files(carrier: &Carrier, row: &Row) -> Result<(), Error> {
    if row.field("files").is_empty() || row.state() == TaskState::AwaitingApproval {
        return Ok(());
    }
    let task = row.task()?;
    carrier.free_files(&row.id, &task.workspace).await?;
    let forget = cmd("HDEL")
        .arg(carrier.slot.item("task", &row.id))
        .arg("files")
        .to_owned();
    carrier.link.query::<i64>(&forget).await.map(drop)
}

/// Where a task's job is looked for.
struct Place {
    open: std::sync::Arc<OpenQueue>,
    job_id: String,
    /// Nobody ever took it, so it is nowhere or where it was put.
    is_fresh: bool,
}

impl Place {
    async fn of(carrier: &Carrier, row: &Row) -> Result<Self, Error> {
        let own = row.field("job");
        Ok(Self {
            open: carrier.open(row.field("queue")).await?,
            job_id: if own.is_empty() { &row.id } else { own }.to_owned(),
            is_fresh: row.field("started").is_empty() && row.field("escalated").is_empty(),
        })
    }

    /// Puts the job where workers take it, before all of its priority if it was taken before.
    async fn make_wait(&self, carrier: &Carrier, row: &Row) -> Result<(), Error> {
        if let Some((job, _)) = carrier.let_go(&row.id)
            && timely(job.move_to_wait(None)).await.is_ok()
        {
            return Ok(());
        }
        if self.is_fresh {
            return self.add(row, Duration::ZERO).await;
        }
        match self.look().await? {
            (JobState::Active, Some(job)) => self.give_back(&job).await,
            (JobState::Delayed, Some(job)) => timely(job.promote()).await,
            (JobState::Waiting | JobState::Prioritized, Some(job)) => {
                let priority = row.field("priority").parse().unwrap_or(job.priority());
                if job.priority() == priority || job.priority() == 0 {
                    return Ok(());
                }
                timely(job.change_priority(priority, false)).await
            }
            _ => {
                self.take_out().await?;
                self.add(row, Duration::ZERO).await
            }
        }
    }

    /// Puts the job where it waits for its time.
    async fn make_late(&self, carrier: &Carrier, row: &Row) -> Result<(), Error> {
        let until: u64 = row.field("from").parse().unwrap_or_default();
        if let Some((job, _)) = carrier.let_go(&row.id)
            && timely(job.move_to_delayed(until)).await.is_ok()
        {
            return Ok(());
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let delay = Duration::from_millis(until).saturating_sub(now);
        if !self.is_fresh {
            match self.look().await? {
                (JobState::Delayed, _) => return Ok(()),
                (JobState::Active, Some(job)) => self.give_back(&job).await?,
                _ => {}
            }
            self.take_out().await?;
        }
        self.add(row, delay).await
    }

    /// Ends the job as its task ended. If its taker is gone, it is taken out.
    async fn end(&self, carrier: &Carrier, row: &Row) -> Result<(), Error> {
        if let Some((mut job, result)) = carrier.let_go(&row.id) {
            let ended = match row.state() {
                TaskState::Failed | TaskState::Cancelled => {
                    let why = row.text("message");
                    timely(job.move_to_failed(&why)).await
                }
                _ => timely(job.move_to_completed(&result)).await,
            };
            if ended.is_ok() {
                return Ok(());
            }
        }
        match self.look().await? {
            (JobState::Completed | JobState::Failed, _) => Ok(()),
            (JobState::Active, Some(job)) => {
                self.give_back(&job).await?;
                self.take_out().await
            }
            (_, None) => Ok(()),
            _ => self.take_out().await,
        }
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

    async fn look(&self) -> Result<(JobState, Option<Job>), Error> {
        let job = timely(self.open.queue.get_job(&self.job_id)).await?;
        if job.is_none() {
            return Ok((JobState::Unknown, None));
        }
        Ok((
            timely(self.open.queue.get_job_state(&self.job_id)).await?,
            job,
        ))
    }

    async fn give_back(&self, job: &Job) -> Result<(), Error> {
        timely(job.move_to_wait(Some(LOCK_TOKEN))).await.map(drop)
    }

    async fn take_out(&self) -> Result<(), Error> {
        timely(self.open.queue.remove(&self.job_id)).await.map(drop)
    }
}
