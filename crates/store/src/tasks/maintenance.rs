//! What one process does for all: gives on what dead workers had, watches the time, and goes through what was not carried
//! over. Each step may be done by two at once without harm.

use std::collections::HashSet;
use std::time::Duration;

use prost_types::Timestamp;
use redis::cmd;

use super::super::clock::millis;
use super::bullmq_sync::JobLocation;
use super::file_waiters::FILES_TTL;
use super::queue::{LOCK_TOKEN, with_timeout};
use super::{OutboxEntries, Tasks, metrics};
use crate::error::Error;

/// Deaths after which a task is taken for what kills its workers.
const MAX_DEATHS: u32 = 10;
/// A worker's epoch is remembered as gone for this long.
const GONE_TTL: Duration = Duration::from_secs(3_600);
/// Things of each kind done in one sweep.
const BATCH: usize = 100;
/// What waits for longer than this is looked for in BullMQ, in case it got lost there.
const AUDIT_AFTER: Duration = Duration::from_secs(2);
/// What its decider should have carried over long ago.
const OVERDUE_AFTER: Duration = Duration::from_secs(1);
/// Events of BullMQ read in one step.
const EVENTS_AT_ONCE: usize = 500;
/// A claim takes no longer: a job taken before that belongs to a task, or nobody knows of it.
const STRANDED_AFTER: Duration = Duration::from_secs(10);
/// Finished jobs that BullMQ keeps of each queue, for people who look at it.
const KEPT_BY_BULLMQ: u64 = 1_000;
/// Of these, so many go in one step.
const CLEANED_AT_ONCE: u64 = 500;

/// A worker that is gone, up to an epoch.
#[derive(Debug, Clone)]
pub struct WorkerGone {
    /// The worker.
    pub worker_id: String,
    /// The newest epoch that is gone.
    pub epoch: u64,
    /// Why, for people.
    pub why: String,
    /// Whether it died, rather than left.
    pub died: bool,
    /// When the registry knew of its death, by Redis's clock; `None` if it did not die, or nobody knows.
    pub known_at: Option<Timestamp>,
}

/// How patient the supervisor is.
#[derive(Debug, Clone, Copy)]
pub struct SweepConfig {
    /// A running task of which nothing is heard for longer is told as stuck.
    pub stuck_after: Duration,
    /// Finished jobs are kept for this long,
    pub keep: Duration,
    /// and at most so many of them.
    pub keep_jobs: u64,
}

/// What a sweep left to decide.
#[derive(Debug, Clone, Default)]
pub struct SweepResult {
    /// Jobs whose deadline passed.
    pub expired: Vec<String>,
    /// Schedules that are due, and since when, in milliseconds of Unix time.
    pub due: Vec<(String, i64)>,
    /// How many finished jobs were forgotten.
    pub forgotten: u64,
}

impl Tasks {
    /// Gives on what a worker had that is gone; tells how many tasks that were.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn release_worker_tasks(&self, worker_gone: &WorkerGone) -> Result<u64, Error> {
        let call = self
            .call(&self.scripts.release_worker_tasks)
            .arg(worker_gone.worker_id.as_str())
            .arg(worker_gone.epoch)
            .arg(millis(GONE_TTL))
            .arg(worker_gone.why.as_str())
            .arg(u8::from(worker_gone.died))
            .arg(MAX_DEATHS);
        let mut reply = self.run_transition(&call).await?;
        reply.status()?;
        let entries = self.take_entries(&mut reply)?;
        let (count, requeued) = (reply.take()?, reply.take()?);
        if worker_gone.known_at.is_some() {
            metrics::record_requeue_delays(requeued, worker_gone.known_at, &entries);
        }
        self.relay.relay(entries).await;
        Ok(count)
    }

    /// The workers that hold tasks.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn holders(&self) -> Result<Vec<String>, Error> {
        let all = cmd("ZRANGE")
            .arg(self.slot.key("holders"))
            .arg(0)
            .arg(-1)
            .to_owned();
        self.connection.query(&all).await
    }

    /// How many tasks a worker has.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn running(&self, worker_id: &str) -> Result<u32, Error> {
        let count = cmd("SCARD")
            .arg(self.slot.item("running", worker_id))
            .to_owned();
        self.connection.query(&count).await
    }

    /// Does what the time brings, and carries over what was left undone.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn sweep(&self, config: &SweepConfig) -> Result<SweepResult, Error> {
        let call = self
            .call(&self.scripts.sweep)
            .arg(millis(config.stuck_after))
            .arg(millis(config.keep))
            .arg(config.keep_jobs)
            .arg(BATCH)
            .arg(millis(AUDIT_AFTER))
            .arg(OVERDUE_AFTER.as_micros().to_string())
            .arg(millis(FILES_TTL / 3));
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let fresh = self.take_entries(&mut reply)?;
        let swept = SweepResult {
            expired: reply.take()?,
            due: reply.take()?,
            ..SweepResult::default()
        };
        let overdue: Vec<String> = reply.take()?;
        let misplaced: Vec<String> = reply.take()?;
        let leased: Vec<String> = reply.take()?;
        let forgotten = reply.take()?;
        let decided_us = fresh.decided_us.clone();
        self.relay.relay(fresh).await;
        self.relay_overdue(&decided_us, overdue, misplaced).await?;
        self.renew_files(&leased).await?;
        Ok(SweepResult { forgotten, ..swept })
    }

    /// Carries over what was not, or went wrong.
    async fn relay_overdue(
        &self,
        decided_us: &str,
        overdue: Vec<String>,
        misplaced: Vec<String>,
    ) -> Result<(), Error> {
        let ids: Vec<&str> = misplaced.iter().map(String::as_str).collect();
        let rows = self.relay.rows("none", &ids).await?;
        let queues: HashSet<&str> = rows.iter().map(|row| row.field("queue")).collect();
        for queue in queues {
            // Another program may have ended what it took, and its events were not read yet.
            self.follow(queue).await?;
        }
        let mut items = overdue;
        items.extend(misplaced);
        items.sort();
        items.dedup();
        if !items.is_empty() {
            let decided_us = decided_us.to_owned();
            let entries = OutboxEntries { decided_us, items };
            self.relay
                .relay_loaded(entries, Vec::new(), JobLocation::Lost)
                .await;
        }
        Ok(())
    }

    async fn renew_files(&self, ids: &[String]) -> Result<(), Error> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for row in self.relay.rows("none", &ids).await? {
            let task = row.task()?;
            let lost = || Error::LeaseLost(row.field("files").to_owned());
            let files = &self.relay.files;
            let renewed = match row.field("files").parse() {
                Ok(lease) => {
                    files
                        .renew(&task.workspace, lease, &row.id, FILES_TTL)
                        .await
                }
                Err(_) => Err(lost()),
            };
            match renewed {
                Ok(_) => {}
                Err(Error::LeaseLost(_)) => {
                    tracing::warn!(task = row.id, "its files are not leased to it any more");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes over what workers of other programs did with jobs of a queue.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn follow(&self, queue: &str) -> Result<(), Error> {
        loop {
            let call = self
                .call(&self.scripts.follow)
                .arg(queue)
                .arg(EVENTS_AT_ONCE);
            let mut reply = self.run_transition(&call).await?;
            reply.status()?;
            let entries = self.take_entries(&mut reply)?;
            let read: usize = reply.take()?;
            if !entries.items.is_empty() {
                self.relay.relay(entries).await;
            }
            if read < EVENTS_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Moves a schedule that was due to its next run.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn reschedule(&self, id: &str, due_ms: i64, next_ms: i64) -> Result<(), Error> {
        let call = self
            .call(&self.scripts.reschedule)
            .arg(id)
            .arg(due_ms)
            .arg(next_ms);
        self.connection.call(&call).await?.status().map(drop)
    }

    /// Lets BullMQ forget finished jobs of a queue, but for the newest, and puts back what was taken by somebody who died
    /// with it.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn trim(&self, queue: &str) -> Result<(), Error> {
        self.put_back_stranded(queue).await?;
        let open = self.relay.open(queue).await?;
        let counts = with_timeout(open.queue.get_job_counts()).await?;
        for (state, count) in [("completed", counts.completed), ("failed", counts.failed)] {
            let mut excess = count.saturating_sub(KEPT_BY_BULLMQ);
            while excess > 0 {
                let step = excess.min(CLEANED_AT_ONCE);
                let limit = u32::try_from(step).unwrap_or(u32::MAX);
                if with_timeout(open.queue.clean(0, limit, state))
                    .await?
                    .is_empty()
                {
                    break;
                }
                excess -= step;
            }
        }
        Ok(())
    }

    async fn put_back_stranded(&self, queue: &str) -> Result<(), Error> {
        let call = self
            .call(&self.scripts.stranded)
            .arg(queue)
            .arg(millis(STRANDED_AFTER))
            .arg(MAX_DEATHS);
        let mut reply = self.run_transition(&call).await?;
        reply.status()?;
        let entries = self.take_entries(&mut reply)?;
        let jobs: Vec<String> = reply.take()?;
        if !entries.items.is_empty() {
            self.relay
                .relay_loaded(entries, Vec::new(), JobLocation::Lost)
                .await;
        }
        let open = self.relay.open(queue).await?;
        for id in jobs {
            if let Some(job) = with_timeout(open.queue.get_job(&id)).await? {
                with_timeout(job.move_to_wait(Some(LOCK_TOKEN))).await?;
                self.wakeup.notify();
            }
        }
        Ok(())
    }
}
