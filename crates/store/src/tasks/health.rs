//! What the queues hold: for those who assign tasks, and for people.

use std::time::Duration;

use redis::cmd;
use shim_proto::coordination::v1::AssignmentStrategy;

use super::Tasks;
use super::queue::Class;
use crate::error::Error;

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
    /// What waits, by priority.
    pub depths: Vec<Depth>,
}

impl QueueCounts {
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
    /// Decisions not carried over yet.
    pub outbox: u64,
}

impl Tasks {
    /// The queues that were ever used.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn classes(&self) -> Result<Vec<Class>, Error> {
        let all = cmd("HGETALL").arg(self.slot.key("queues")).to_owned();
        let stored: Vec<(String, Vec<u8>)> = self.connection.query(&all).await?;
        let classes = stored
            .into_iter()
            .filter_map(|(name, stored)| Class::read(name, &stored))
            // Jobs of other programs come without a declaration.
            .chain([Class::of(None)]);
        let mut classes: Vec<_> = classes.collect();
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        classes.dedup_by(|a, b| a.name == b.name);
        Ok(classes)
    }

    /// What waits first in some queues, at most so many of each; what comes first in all of them first.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn heads(&self, queues: &[&str], most: usize) -> Result<Vec<QueueHead>, Error> {
        let mut call = self.call(&self.scripts.heads).arg(most);
        for queue in queues {
            call = call.arg(*queue);
        }
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        self.take_entries(&mut reply)?;
        let mut heads = reply
            .rest::<(String, u32, i64, i32, String)>()?
            .into_iter()
            .map(|(queue, priority, since_ms, strategy, near)| QueueHead {
                queue,
                priority,
                since_ms,
                strategy: AssignmentStrategy::try_from(strategy).unwrap_or_default(),
                near,
            })
            .collect::<Vec<_>>();
        heads.sort_by_key(|head| (head.priority, head.since_ms));
        Ok(heads)
    }

    /// How many jobs have not ended, schedules among them.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn live_jobs(&self) -> Result<u64, Error> {
        let count = cmd("ZCARD").arg(self.slot.key("live")).to_owned();
        self.connection.query(&count).await
    }

    /// What all queues hold.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn health(&self) -> Result<QueuesHealth, Error> {
        let classes = self.classes().await?;
        let mut call = self.call(&self.scripts.health);
        for class in &classes {
            call = call.arg(class.name.as_str());
        }
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        self.take_entries(&mut reply)?;
        Ok(QueuesHealth {
            completed_last_minute: reply.take()?,
            failed_last_minute: reply.take()?,
            dead_letters: reply.take()?,
            awaiting_approval: reply.take()?,
            outbox: reply.take()?,
            queues: reply
                .rest::<Vec<String>>()?
                .into_iter()
                .zip(classes)
                .map(|(report, class)| counts(class, &report))
                .collect(),
        })
    }
}

fn counts(class: Class, report: &[String]) -> QueueCounts {
    let number = |i: usize| report.get(i).and_then(|n| n.parse().ok()).unwrap_or(0);
    let depths = report.get(4..).unwrap_or_default().chunks_exact(3);
    QueueCounts {
        class,
        waiting: number(1),
        delayed: number(2),
        active: number(3),
        depths: depths.filter_map(depth).collect(),
    }
}

fn depth(fields: &[String]) -> Option<Depth> {
    let [priority, tasks, age_ms] = fields else {
        return None;
    };
    Some(Depth {
        priority: priority.parse().ok()?,
        tasks: tasks.parse().ok()?,
        oldest_age: Duration::from_millis(age_ms.parse().ok()?),
    })
}
