//! What the queues hold: for the assignment of tasks, and for people.

use std::time::Duration;

use futures::future::try_join_all;
use redis::cmd;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::AssignmentStrategy;

use super::class::Class;
use super::task_store::Tasks;
use crate::error::Error;
use crate::sizes::{KindSize, Measured, Usage};

/// The sets of what is not settled: jobs, messages to BullMQ and to sessions, and tasks whose jobs are to be called off.
const UNSETTLED: [&str; 4] = ["live", "outbox", "owed", "disowned"];

/// What waits first in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueHead {
    /// The queue.
    pub queue: String,
    /// 0 comes first, 100 last.
    pub priority: u32,
    /// Since when it waits, in milliseconds of Unix time.
    pub since_ms: i64,
    /// How its worker is chosen.
    pub strategy: AssignmentStrategy,
    /// The worker that had its files last; empty for none.
    pub near: String,
}

/// The workers that wait for tasks, as far as the assignment must know more of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct WaitingWorkers<'a> {
    /// Their ids.
    pub worker_ids: &'a [&'a str],
    /// The ids of requests that may have made a claim before.
    pub request_ids: &'a [&'a str],
}

/// What waits first in some queues, and what was asked of the workers that wait.
#[derive(Debug, Clone, Default)]
pub struct Heads {
    /// What comes first in all of the queues first.
    pub heads: Vec<QueueHead>,
    /// How many tasks each of the workers runs, in their order.
    pub loads: Vec<u32>,
    /// Positions of the requests that made a claim before, which may stand.
    pub repeated: Vec<usize>,
}

#[derive(Serialize)]
struct HeadsArgs<'a> {
    queues: &'a [&'a str],
    max: usize,
    workers: &'a [&'a str],
    request_keys: Vec<String>,
}

#[derive(Deserialize)]
struct HeadsAnswer {
    heads: Vec<StoredHead>,
    loads: Vec<u32>,
    repeated: Vec<usize>,
}

#[derive(Deserialize)]
struct StoredHead {
    queue: String,
    priority: u32,
    since_ms: i64,
    strategy: i32,
    near: String,
}

impl From<StoredHead> for QueueHead {
    fn from(head: StoredHead) -> Self {
        Self {
            queue: head.queue,
            priority: head.priority,
            since_ms: head.since_ms,
            strategy: AssignmentStrategy::try_from(head.strategy).unwrap_or_default(),
            near: head.near,
        }
    }
}

/// What one queue holds.
#[derive(Debug, Clone)]
pub struct QueueCounts {
    /// The queue, and what its tasks require.
    pub class: Class,
    /// Tasks that wait for a worker.
    pub waiting: u64,
    /// Tasks that wait for a time.
    pub delayed: u64,
    /// Tasks with a worker.
    pub active: u64,
    /// Nobody gets a task of it until it is let go on.
    pub is_paused: bool,
    /// For how long its rate limit holds it; zero if it does not.
    pub limited_for: Duration,
    /// How many of its tasks may have a worker at a time; 0 for any number.
    pub max_active: u64,
    /// What waits, by priority.
    pub depths: Vec<Depth>,
}

impl QueueCounts {
    /// As many of its tasks have a worker as may have one at a time.
    #[must_use]
    pub fn is_maxed(&self) -> bool {
        self.max_active > 0 && self.active >= self.max_active
    }

    /// How long the oldest has been waiting.
    #[must_use]
    pub fn oldest_age(&self) -> Duration {
        let ages = self.depths.iter().map(|depth| depth.oldest_age);
        ages.max().unwrap_or_default()
    }
}

/// What waits in one queue with one priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// 0 comes first, 100 last.
    pub priority: u32,
    /// How many tasks.
    pub tasks: u64,
    /// How long the first of them has been waiting.
    pub oldest_age: Duration,
}

/// What all queues hold.
#[derive(Debug, Clone)]
pub struct QueuesHealth {
    /// Each of them.
    pub queues: Vec<QueueCounts>,
    /// Tasks completed in the last minute.
    pub completed_last_minute: u64,
    /// Tasks that failed for good in the last minute.
    pub failed_last_minute: u64,
    /// Tasks in the dead letter.
    pub dead_letters: u64,
    /// Tasks that wait for an approval.
    pub awaiting_approval: u64,
    /// Entries of the outbox: decisions that BullMQ or a submitter does not know yet.
    pub outbox: u64,
    /// Dead letters that were forgotten lately, because there were too many.
    pub buried: u64,
    /// When the last of them was, in milliseconds of Unix time.
    pub buried_at_ms: Option<i64>,
    /// Messages to submitters that wait for room in their inboxes.
    pub owed: u64,
    /// Queues whose tasks have not all ended.
    pub queues_in_use: u64,
    /// How many of them the caller with most of them opened.
    pub own_queues: u64,
    /// Jobs that have not ended, schedules among them.
    pub live_jobs: u64,
    /// What the store takes of Redis's memory, as it was measured last; empty if it never was.
    pub sizes: Vec<KindSize>,
    /// How far bounds are used, as it was measured within the last minutes.
    pub usages: Vec<Usage>,
}

#[derive(Serialize)]
struct NoteSizesArgs<'a> {
    sizes: &'a [KindSize],
    usages: &'a [Usage],
}

#[derive(Serialize)]
struct HealthArgs<'a> {
    queues: Vec<&'a str>,
}

#[derive(Deserialize)]
struct HealthAnswer {
    completed: u64,
    failed: u64,
    dead_letters: u64,
    awaiting_approval: u64,
    outbox: u64,
    buried: u64,
    buried_at_ms: i64,
    owed: u64,
    queues_in_use: u64,
    own_queues: u64,
    live_jobs: u64,
    sizes: Vec<KindSize>,
    usages: Vec<Usage>,
    queues: Vec<StoredCounts>,
}

#[derive(Deserialize)]
struct StoredCounts {
    waiting: u64,
    delayed: u64,
    active: u64,
    paused: bool,
    limited_ms: u64,
    max_active: u64,
    depths: Vec<StoredDepth>,
}

#[derive(Deserialize)]
struct StoredDepth {
    priority: u32,
    tasks: u64,
    oldest_ms: u64,
}

impl From<&StoredDepth> for Depth {
    fn from(depth: &StoredDepth) -> Self {
        Self {
            priority: depth.priority,
            tasks: depth.tasks,
            oldest_age: Duration::from_millis(depth.oldest_ms),
        }
    }
}

impl Tasks {
    /// The queues that are in use, or were lately.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn classes(&self) -> Result<Vec<Class>, Error> {
        let all = cmd("HGETALL")
            .arg(self.runner.slot.key("queues"))
            .to_owned();
        let stored: Vec<(String, Vec<u8>)> = self.runner.connection.query(&all).await?;
        let classes = stored
            .into_iter()
            .filter_map(|(name, stored)| Class::read(name, &stored))
            // Jobs of other programs come without a declaration.
            .chain([Class::of(None)]);
        let mut classes: Vec<_> = classes.collect();
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        classes.dedup_by(|a, b| a.name == b.name);
        self.close_forgotten(&classes);
        Ok(classes)
    }

    /// What waits first in some queues, at most `max` of each, and what the assignment must know of the workers that wait:
    /// all in one call.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn heads(
        &self,
        queues: &[&str],
        max: usize,
        workers: WaitingWorkers<'_>,
    ) -> Result<Heads, Error> {
        let request_ids = workers.request_ids.iter();
        let args = HeadsArgs {
            queues,
            max,
            workers: workers.worker_ids,
            request_keys: request_ids
                .map(|id| self.runner.slot.request_key(id))
                .collect(),
        };
        let answer = self.runner.run(&self.scripts.heads, &args).await?;
        let (_, read) = answer.unrefused::<HeadsAnswer>()?;
        let mut heads: Vec<_> = read.heads.into_iter().map(QueueHead::from).collect();
        heads.sort_by_key(|head| (head.priority, head.since_ms));
        Ok(Heads {
            heads,
            loads: read.loads,
            repeated: read.repeated,
        })
    }

    /// How many jobs have not ended, schedules among them.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn live_jobs(&self) -> Result<u64, Error> {
        let count = cmd("ZCARD").arg(self.runner.slot.key("live")).to_owned();
        self.runner.connection.query(&count).await
    }

    /// Whether nothing is left that time or the end of a worker could change: no job lives, and nothing is to be relayed,
    /// sent again or called off.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn is_at_rest(&self) -> Result<bool, Error> {
        let counts = UNSETTLED.map(|set| {
            let count = cmd("ZCARD").arg(self.runner.slot.key(set)).to_owned();
            async move { self.runner.connection.query::<u64>(&count).await }
        });
        Ok(try_join_all(counts).await?.iter().all(|count| *count == 0))
    }

    /// Notes what the store takes of Redis's memory.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn note_sizes(&self, measured: &Measured) -> Result<(), Error> {
        let args = NoteSizesArgs {
            sizes: &measured.sizes,
            usages: &measured.usages,
        };
        let answer = self.runner.run(&self.scripts.note_sizes, &args).await?;
        answer.unrefused::<IgnoredAny>().map(drop)
    }

    /// What all queues hold.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn health(&self) -> Result<QueuesHealth, Error> {
        let classes = self.classes().await?;
        let args = HealthArgs {
            queues: classes.iter().map(|class| class.name.as_str()).collect(),
        };
        let answer = self.runner.run(&self.scripts.health, &args).await?;
        let (_, read) = answer.unrefused::<HealthAnswer>()?;
        let queues = read.queues.into_iter().zip(classes);
        Ok(QueuesHealth {
            completed_last_minute: read.completed,
            failed_last_minute: read.failed,
            dead_letters: read.dead_letters,
            awaiting_approval: read.awaiting_approval,
            outbox: read.outbox,
            buried: read.buried,
            buried_at_ms: Some(read.buried_at_ms).filter(|at| *at > 0),
            owed: read.owed,
            queues_in_use: read.queues_in_use,
            own_queues: read.own_queues,
            live_jobs: read.live_jobs,
            sizes: read.sizes,
            usages: read.usages,
            queues: queues
                .map(|(stored, class)| QueueCounts {
                    class,
                    waiting: stored.waiting,
                    delayed: stored.delayed,
                    active: stored.active,
                    is_paused: stored.paused,
                    limited_for: Duration::from_millis(stored.limited_ms),
                    max_active: stored.max_active,
                    depths: stored.depths.iter().map(Depth::from).collect(),
                })
                .collect(),
        })
    }
}
