//! What one process does for all: makes the tasks of dead workers ready for others, watches the time, and goes through the
//! outbox. Two processes may do each step at once without harm.

use std::collections::HashSet;
use std::time::Duration;

use prost_types::Timestamp;
use redis::cmd;
use serde::{Deserialize, Serialize};
use shim_proto::limits::task::MAX_QUEUES;
use shim_runtime::ids::{Epoch, WorkerId};

use super::file_waiters::FILES_TTL;
use super::metrics;
use super::notifier::OWED_RETRY;
use super::outbox_entries::OutboxEntries;
use super::outbox_relay::JobLocation;
use super::reader::TextSelection;
use super::task_store::Tasks;
use crate::clock::millis;
use crate::error::Error;

/// Deaths after which a task counts as the killer of its workers.
const MAX_DEATHS: u32 = 10;
/// A worker's epoch is remembered as gone for this long.
const GONE_TTL: Duration = Duration::from_secs(3_600);
/// Things of each kind done in one sweep.
const BATCH: usize = 100;
/// What waits for longer than this is looked for in BullMQ, in case it got lost there.
const AUDIT_AFTER: Duration = Duration::from_secs(2);
/// An entry of the outbox that is older was left there by the process that made the decision.
const OVERDUE_AFTER: Duration = Duration::from_secs(1);
/// Events of BullMQ read in one step.
const EVENTS_AT_ONCE: usize = 500;
/// A claim takes no longer: a job taken before that belongs to a task, or is lost.
const STRANDED_AFTER: Duration = Duration::from_secs(10);
/// Finished jobs that BullMQ keeps of each queue, for people who look at it.
const KEPT_JOBS: usize = 1_000;

/// A worker that is gone, up to an epoch.
#[derive(Debug, Clone)]
pub struct WorkerGone {
    /// The worker.
    pub worker_id: WorkerId,
    /// The newest epoch that is gone.
    pub epoch: Epoch,
    /// Why, for people.
    pub why: String,
    /// Whether it died, rather than left.
    pub died: bool,
    /// When the registry knew of its death, by Redis's clock; `None` if it did not die, or that is not known.
    pub known_at: Option<Timestamp>,
}

/// How patient the supervisor is.
#[derive(Debug, Clone, Copy)]
pub struct SweepConfig {
    /// A running task without a report for longer is marked as stuck.
    pub stuck_after: Duration,
    /// Finished jobs are kept for this long,
    pub keep: Duration,
    /// and at most so many of them,
    pub keep_jobs: u64,
    /// but those that hold dead letters as long as there are at most so many of these.
    pub keep_dead_letters: u64,
}

/// What a sweep left to decide.
#[derive(Debug, Clone, Default)]
pub struct SweepResult {
    /// Jobs whose deadline passed.
    pub expired: Vec<String>,
    /// Schedules that are due, and since when, in milliseconds of Unix time.
    pub due: Vec<(String, i64)>,
    /// How many finished jobs were forgotten,
    pub forgotten: u64,
    /// and those of them that held dead letters.
    pub buried: Vec<String>,
}

#[derive(Serialize)]
struct ReleaseWorkerTasksArgs<'a> {
    worker: String,
    epoch: u64,
    keep_gone_ms: u64,
    why: &'a str,
    died: bool,
    max_deaths: u32,
}

#[derive(Deserialize)]
struct ReleaseWorkerTasksAnswer {
    taken: u64,
    requeued: u64,
}

#[derive(Serialize)]
struct SweepArgs {
    stuck_after_ms: u64,
    keep_ms: u64,
    keep_jobs: u64,
    keep_dead_letters: u64,
    max: usize,
    audit_after_ms: u64,
    overdue_after_us: u64,
    renew_files_after_ms: u64,
    max_queues: usize,
    owed_again_after_ms: u64,
}

#[derive(Deserialize)]
struct SweepAnswer {
    expired: Vec<String>,
    schedules: Vec<DueSchedule>,
    overdue: Vec<String>,
    misplaced: Vec<String>,
    leased: Vec<String>,
    unlisted: Vec<String>,
    owed: Vec<String>,
    forgotten: u64,
    buried: Vec<String>,
}

#[derive(Deserialize)]
struct DueSchedule {
    id: String,
    due_ms: i64,
}

#[derive(Serialize)]
struct FollowArgs<'a> {
    queue: &'a str,
    max: usize,
}

#[derive(Deserialize)]
struct FollowAnswer {
    read: usize,
}

#[derive(Serialize)]
struct StrandedArgs<'a> {
    queue: &'a str,
    taken_before_ms: u64,
    max_deaths: u32,
}

#[derive(Serialize)]
struct TrimArgs<'a> {
    queue: &'a str,
    keep: usize,
    max: usize,
}

#[derive(Deserialize)]
struct TrimAnswer {
    removed: usize,
}

#[derive(Deserialize)]
struct StrandedAnswer {
    jobs: Vec<String>,
}

impl Tasks {
    /// Makes the tasks of a worker that is gone ready for others; returns how many tasks it had.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn release_worker_tasks(&self, worker_gone: &WorkerGone) -> Result<u64, Error> {
        let args = ReleaseWorkerTasksArgs {
            worker: worker_gone.worker_id.to_string(),
            epoch: worker_gone.epoch.0,
            keep_gone_ms: millis(GONE_TTL),
            why: &worker_gone.why,
            died: worker_gone.died,
            max_deaths: MAX_DEATHS,
        };
        let script = &self.scripts.release_worker_tasks;
        let answer = self.runner.run(script, &args).await?;
        let (entries, released) = answer.unrefused::<ReleaseWorkerTasksAnswer>()?;
        if worker_gone.known_at.is_some() {
            metrics::record_requeue_delays(released.requeued, worker_gone.known_at, &entries);
        }
        self.relay.relay(entries).await;
        Ok(released.taken)
    }

    /// The workers that have tasks.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn holders(&self) -> Result<Vec<WorkerId>, Error> {
        let all = cmd("ZRANGE")
            .arg(self.runner.slot.key("holders"))
            .arg(0)
            .arg(-1)
            .to_owned();
        let holders: Vec<String> = self.runner.connection.query(&all).await?;
        Ok(holders.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Does what time brings, and relays what was left in the outbox.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn sweep(&self, config: &SweepConfig) -> Result<SweepResult, Error> {
        let args = SweepArgs {
            stuck_after_ms: millis(config.stuck_after),
            keep_ms: millis(config.keep),
            keep_jobs: config.keep_jobs,
            keep_dead_letters: config.keep_dead_letters,
            max: BATCH,
            audit_after_ms: millis(AUDIT_AFTER),
            overdue_after_us: millis(OVERDUE_AFTER) * 1_000,
            renew_files_after_ms: millis(FILES_TTL / 3),
            max_queues: MAX_QUEUES,
            owed_again_after_ms: millis(OWED_RETRY),
        };
        let answer = self.runner.run(&self.scripts.sweep, &args).await?;
        let (fresh, swept) = answer.unrefused::<SweepAnswer>()?;
        let decided_us = fresh.decided_us;
        self.declare_unlisted(&swept.unlisted).await?;
        self.relay.relay(fresh).await;
        self.relay_overdue(decided_us, swept.overdue, swept.misplaced)
            .await?;
        self.relay
            .relay(OutboxEntries {
                decided_us,
                items: swept.owed,
            })
            .await;
        self.renew_files(&swept.leased).await?;
        let due = swept.schedules.into_iter();
        Ok(SweepResult {
            expired: swept.expired,
            due: due.map(|schedule| (schedule.id, schedule.due_ms)).collect(),
            forgotten: swept.forgotten,
            buried: swept.buried,
        })
    }

    /// Relays overdue entries, and tasks whose jobs got lost.
    async fn relay_overdue(
        &self,
        decided_us: u64,
        overdue: Vec<String>,
        misplaced: Vec<String>,
    ) -> Result<(), Error> {
        let ids: Vec<&str> = misplaced.iter().map(String::as_str).collect();
        let rows = self.reader.rows(TextSelection::None, &ids).await?;
        let queues: HashSet<&str> = rows.iter().map(|row| row.record.queue.as_str()).collect();
        for queue in queues {
            // Another program may have ended what it took, and its events were not read yet.
            self.follow(queue).await?;
        }
        let mut items = overdue;
        items.extend(misplaced);
        items.sort();
        items.dedup();
        let entries = OutboxEntries { decided_us, items };
        self.relay_lost(entries).await;
        Ok(())
    }

    /// Relays entries whose jobs may be anywhere.
    async fn relay_lost(&self, entries: OutboxEntries) {
        if !entries.items.is_empty() {
            self.relay
                .relay_loaded(entries, Vec::new(), JobLocation::Lost)
                .await;
        }
    }

    async fn renew_files(&self, ids: &[String]) -> Result<(), Error> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for row in self.reader.rows(TextSelection::None, &ids).await? {
            let file_waiters = &self.relay.file_waiters;
            file_waiters.renew(&row.task()?, &row.record.files).await?;
        }
        Ok(())
    }

    /// Records what other programs did with jobs of a queue.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn follow(&self, queue: &str) -> Result<(), Error> {
        let followed = self.read_events(queue).await?;
        self.relay_followed(followed).await;
        Ok(())
    }

    /// The same, without what must be relayed after: later events may change it.
    pub(super) async fn read_events(&self, queue: &str) -> Result<Vec<OutboxEntries>, Error> {
        let args = FollowArgs {
            queue,
            max: EVENTS_AT_ONCE,
        };
        let mut all = Vec::new();
        loop {
            let answer = self.runner.run(&self.scripts.follow, &args).await?;
            let (entries, followed) = answer.unrefused::<FollowAnswer>()?;
            if !entries.items.is_empty() {
                all.push(entries);
            }
            if followed.read < EVENTS_AT_ONCE {
                return Ok(all);
            }
        }
    }

    pub(super) async fn relay_followed(&self, followed: Vec<OutboxEntries>) {
        for entries in followed {
            self.relay.relay(entries).await;
        }
    }

    /// Removes finished jobs of SHIM's from a queue of BullMQ, but for the newest, and puts back the jobs whose takers died.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn trim(&self, queue: &str) -> Result<(), Error> {
        self.put_back_stranded(queue).await?;
        let args = TrimArgs {
            queue,
            keep: KEPT_JOBS,
            max: BATCH * 5,
        };
        loop {
            let answer = self.runner.run(&self.scripts.trim, &args).await?;
            let (_, TrimAnswer { removed }) = answer.unrefused()?;
            if removed == 0 {
                return Ok(());
            }
        }
    }

    async fn put_back_stranded(&self, queue: &str) -> Result<(), Error> {
        let args = StrandedArgs {
            queue,
            taken_before_ms: millis(STRANDED_AFTER),
            max_deaths: MAX_DEATHS,
        };
        let answer = self.runner.run(&self.scripts.stranded, &args).await?;
        let (entries, stranded) = answer.unrefused::<StrandedAnswer>()?;
        self.relay_lost(entries).await;
        for id in &stranded.jobs {
            if self.queues.put_back_stranded(queue, id).await? {
                self.wakeup.notify();
            }
        }
        Ok(())
    }
}
