//! The queues that workers look into: how they are made known, kept a place for, and closed when they are forgotten.

use std::collections::HashSet;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::class::Class;
use super::reader::TextSelection;
use super::task_store::Tasks;
use crate::clock::millis;
use crate::error::Error;

/// A queue with what its tasks require.
#[derive(Serialize)]
pub(super) struct ClassArgs {
    queue: String,
    requirements: ByteBuf,
}

impl ClassArgs {
    pub(super) fn of(class: &Class) -> Self {
        Self {
            queue: class.name.clone(),
            requirements: ByteBuf::from(class.stored()),
        }
    }
}

#[derive(Serialize)]
struct KeepQueuesArgs<'a> {
    queues: Vec<&'a str>,
    keep_ms: u64,
}

#[derive(Serialize)]
struct UnreadArgs<'a> {
    queues: &'a [&'a str],
}

#[derive(Deserialize)]
struct UnreadAnswer {
    unread: Vec<usize>,
}

impl Tasks {
    /// Lets some queues have a place for a time, however many others are in use: those of configured executors.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn keep_queues(&self, classes: &[Class], keep: Duration) -> Result<(), Error> {
        let args = KeepQueuesArgs {
            queues: classes.iter().map(|class| class.name.as_str()).collect(),
            keep_ms: millis(keep),
        };
        let answer = self.runner.run(&self.scripts.keep_queues, &args).await?;
        answer.unrefused::<IgnoredAny>().map(drop)
    }

    /// Those of some queues whose events in BullMQ were not all read: one call for all, since most have none.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn with_unread_events<'a>(&self, queues: &[&'a str]) -> Result<Vec<&'a str>, Error> {
        let args = UnreadArgs { queues };
        let answer = self.runner.run(&self.scripts.unread, &args).await?;
        let (_, UnreadAnswer { unread }) = answer.unrefused()?;
        let unread = unread.iter().filter_map(|at| queues.get(*at).copied());
        Ok(unread.collect())
    }

    /// Makes the queues of tasks known anew that were forgotten before the tasks were taken up again.
    pub(super) async fn declare_unlisted(&self, ids: &[String]) -> Result<(), Error> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for row in self.reader.rows(TextSelection::None, &ids).await? {
            let task = row.task()?;
            let args = ClassArgs::of(&Class {
                // The job of another program lies in the queue that the program chose.
                name: row.record.queue.clone(),
                ..Class::of(task.requirements.as_ref())
            });
            let answer = self.runner.run(&self.scripts.declare, &args).await?;
            answer.unrefused::<IgnoredAny>()?;
        }
        Ok(())
    }

    /// Closes the queues that are known no more.
    pub(super) fn close_forgotten(&self, classes: &[Class]) {
        let known: HashSet<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        self.queues.retain(|queue| known.contains(queue));
    }
}
