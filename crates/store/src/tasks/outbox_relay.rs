//! Carrying decisions over to BullMQ and to submitters: level by level, so that doing it twice or late does no harm.
//!
//! A carrier looks at a task's record and makes BullMQ agree with it. What it could not do stays in the outbox, which the
//! supervisor goes through. Nothing is taken off the outbox before it was done.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use shim_proto::coordination::v1::{Message, Task};
use tokio::sync::Semaphore;

use super::super::connection::{ANSWER_WITHIN, RedisConnection};
use super::super::files::Files;
use super::super::idempotency::IdempotencyKey;
use super::super::inbox::Inboxes;
use super::super::keys::Slot;
use super::super::script::{Effect, Script};
use super::bullmq_sync::{self, JobLocation};
use super::file_waiters::FileWaiters;
use super::queue::{Class, OpenQueue};
use super::rows::Row;
use super::taken_jobs::{LostClaims, TakenJobs};
use super::wakeup::Wakeup;
use super::{OutboxEntries, begin, notice, script};
use crate::error::Error;

/// Tasks carried over at a time.
const AT_ONCE: usize = 64;
/// Decisions carried over in the background at a time; others wait in the outbox for the supervisor.
const IN_BACKGROUND: usize = 256;
/// What is taken off the outbox in one step.
const REMOVED_AT_ONCE: usize = 500;

/// Carries over what was decided. One for each process.
pub struct OutboxRelay {
    pub(super) connection: RedisConnection,
    pub(super) slot: Slot,
    channels: String,
    pub(super) files: Arc<Files>,
    inboxes: Arc<Inboxes>,
    wakeup: Wakeup,
    pub(super) read: Script,
    remove_done: Script,
    queues: tokio::sync::Mutex<OpenQueues>,
    declared: Mutex<DeclaredQueues>,
    pub(super) taken_jobs: Mutex<TakenJobs>,
    pub(super) lost_claims: Mutex<LostClaims>,
    pub(super) file_waiters: FileWaiters,
    background: Arc<Semaphore>,
    done_entries: Mutex<Vec<DoneEntry>>,
    is_removing_done: AtomicBool,
}

/// The queues that are open, for the connection they were opened with.
#[derive(Default)]
struct OpenQueues {
    connected_to: u64,
    queues: HashMap<String, Arc<OpenQueue>>,
}

/// The queues that were made known, for the same connection: a failover may have lost that.
#[derive(Default)]
struct DeclaredQueues {
    connected_to: u64,
    queues: HashSet<String>,
}

/// What was carried over.
struct DoneEntry {
    decided_us: String,
    what: String,
    /// The state it was carried over in; empty for a message.
    state: String,
}

impl OutboxRelay {
    pub(super) fn new(
        connection: RedisConnection,
        slot: Slot,
        channels: String,
        files: Arc<Files>,
        inboxes: Arc<Inboxes>,
        wakeup: Wakeup,
    ) -> Self {
        Self {
            connection,
            slot,
            channels,
            files,
            inboxes,
            wakeup,
            read: script(Effect::Reads, include_str!("../lua/tasks/read.lua")),
            remove_done: script(Effect::Frees, include_str!("../lua/tasks/settle_up.lua")),
            queues: tokio::sync::Mutex::default(),
            declared: Mutex::default(),
            taken_jobs: Mutex::default(),
            lost_claims: Mutex::default(),
            file_waiters: FileWaiters::new(),
            background: Arc::new(Semaphore::new(IN_BACKGROUND)),
            done_entries: Mutex::default(),
            is_removing_done: AtomicBool::default(),
        }
    }

    pub(super) fn channels(&self) -> &str {
        &self.channels
    }

    pub(super) fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    pub(super) fn is_declared(&self, queue: &str) -> bool {
        let declared = locked(&self.declared);
        declared.connected_to == self.connection.generation() && declared.queues.contains(queue)
    }

    pub(super) fn mark_declared(&self, class: &Class) {
        let mut declared = locked(&self.declared);
        let connected_to = self.connection.generation();
        if declared.connected_to != connected_to {
            *declared = DeclaredQueues {
                connected_to,
                queues: HashSet::new(),
            };
        }
        declared.queues.insert(class.name.clone());
    }

    /// An open queue, of the Redis that the link is connected to now.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn open(&self, name: &str) -> Result<Arc<OpenQueue>, Error> {
        self.connection.address()?;
        self.connection.health().map_err(Error::Unavailable)?;
        match tokio::time::timeout(ANSWER_WITHIN, self.open_now(name)).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Unavailable("Redis answers slowly".to_owned())),
        }
    }

    async fn open_now(&self, name: &str) -> Result<Arc<OpenQueue>, Error> {
        let mut open = self.queues.lock().await;
        let connected_to = self.connection.generation();
        if open.connected_to != connected_to {
            // After a failover BullMQ's connections would go on asking the old master.
            *open = OpenQueues {
                connected_to,
                queues: HashMap::new(),
            };
        }
        if let Some(queue) = open.queues.get(name) {
            return Ok(queue.clone());
        }
        let connection = self.connection.address()?.for_bullmq().await?;
        let queue = Arc::new(OpenQueue::open(name, self.slot.tag(), connection).await?);
        open.queues.insert(name.to_owned(), queue.clone());
        Ok(queue)
    }

    /// Carries over what a decision left, as far as that is possible now.
    pub(super) async fn relay(&self, entries: OutboxEntries) {
        self.relay_loaded(entries, Vec::new(), JobLocation::Expected)
            .await;
    }

    /// The same in the background; if too much is on its way, it is left to the supervisor.
    pub(super) fn relay_in_background(self: &Arc<Self>, entries: OutboxEntries, loaded: Vec<Row>) {
        if entries.items.is_empty() {
            return;
        }
        let Ok(permit) = self.background.clone().try_acquire_owned() else {
            return;
        };
        let relay = self.clone();
        tokio::spawn(async move {
            relay
                .relay_loaded(entries, loaded, JobLocation::Expected)
                .await;
            drop(permit);
        });
    }

    /// The same with the records that are at hand; others are read.
    pub(super) async fn relay_loaded(
        &self,
        entries: OutboxEntries,
        mut loaded: Vec<Row>,
        job_location: JobLocation,
    ) {
        let (notices, ids): (Vec<_>, Vec<_>) = entries
            .items
            .into_iter()
            .partition(|what| what.contains(' '));
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        loaded.retain(|row| wanted.contains(row.id.as_str()));
        let at_hand: HashSet<String> = loaded.iter().map(|row| row.id.clone()).collect();
        let unread: Vec<&str> = ids
            .iter()
            .filter(|id| !at_hand.contains(*id))
            .map(String::as_str)
            .collect();
        let mut done = Vec::with_capacity(ids.len() + notices.len());
        match self.rows("errors", &unread).await {
            Ok(rows) => {
                let read: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
                // What was forgotten needs nothing any more.
                let forgotten = unread.iter().filter(|id| !read.contains(**id));
                done.extend(forgotten.map(|id| ((*id).to_owned(), String::new())));
                loaded.extend(rows);
            }
            Err(error) => tracing::debug!(%error, "left in the outbox"),
        }
        done.extend(self.reconcile_all(&loaded, job_location).await);
        for what in notices {
            match self.notify(&what).await {
                Ok(()) => done.push((what, String::new())),
                Err(error) => tracing::debug!(%error, what, "left in the outbox"),
            }
        }
        self.mark_done(&entries.decided_us, done).await;
    }

    /// Makes BullMQ agree with records; tells those with which it does now, and the state each was in.
    async fn reconcile_all(
        &self,
        rows: &[Row],
        job_location: JobLocation,
    ) -> Vec<(String, String)> {
        let outcomes = rows.iter().map(|row| {
            let outcome =
                async move { (row, bullmq_sync::reconcile(self, row, job_location).await) };
            outcome.boxed()
        });
        // The first alone: it brings BullMQ's script to Redis, and then they arrive in their order.
        let mut outcomes = outcomes.collect::<Vec<_>>().into_iter();
        let first = stream::iter(outcomes.next()).buffer_unordered(1);
        let mut outcomes = first.chain(stream::iter(outcomes).buffer_unordered(AT_ONCE));
        let (mut done, mut is_ready) = (Vec::with_capacity(rows.len()), false);
        while let Some((row, outcome)) = outcomes.next().await {
            match outcome {
                Ok(()) => {
                    is_ready |= bullmq_sync::can_start(row);
                    done.push((row.id.clone(), row.field("state").to_owned()));
                }
                Err(error) => tracing::debug!(%error, task = row.id, "left in the outbox"),
            }
        }
        if is_ready {
            self.wakeup.notify();
        }
        done
    }

    async fn notify(&self, what: &str) -> Result<(), Error> {
        let Some((why, id)) = what.split_once(' ') else {
            return Ok(());
        };
        let Some(row) = self.rows("errors", &[id]).await?.into_iter().next() else {
            return Ok(());
        };
        let task = row.task()?;
        let Some(to) = self.submitter(&task).await?.and_then(|to| to.parse().ok()) else {
            return Ok(());
        };
        let message: Message = notice::message(why, &task);
        let idempotency_key = IdempotencyKey {
            // The same notice once; another run of a task that was retried has another time.
            request_id: format!("task-{why}-{id}-{}", notice::notice_time_ms(&task)),
            fingerprint: String::new(),
        };
        match self.inboxes.send(&idempotency_key, to, &message).await {
            // Nobody reads it: the job's own record says the same.
            Ok(()) | Err(Error::InboxFull(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn submitter(&self, task: &Task) -> Result<Option<String>, Error> {
        let submitter = if task.task_id == task.root_id {
            task.submitted_by.clone()
        } else {
            let rows = self.rows("errors", &[&task.root_id]).await?;
            let root = rows.first().map(Row::task).transpose()?;
            root.map(|root| root.submitted_by).unwrap_or_default()
        };
        Ok((!submitter.is_empty()).then_some(submitter))
    }

    /// The records of tasks, those that are there, with texts: `none`, `errors` or `all`.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn rows(&self, texts: &str, ids: &[&str]) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(super::READ_AT_ONCE) {
            let mut call = begin(&self.read, &self.slot, &self.channels)
                .arg(texts)
                .arg("tasks");
            for id in ids {
                call = call.arg(*id);
            }
            let mut reply = self.connection.call(&call).await?;
            reply.status()?;
            rows.extend(Row::all(&mut reply)?);
        }
        Ok(rows)
    }

    /// Takes off the outbox what was done. Of those who come at once, one does it for all. If it fails, it is all done
    /// again, which changes nothing.
    async fn mark_done(&self, decided_us: &str, done: Vec<(String, String)>) {
        let done_entries = done.into_iter().map(|(what, state)| DoneEntry {
            decided_us: decided_us.to_owned(),
            what,
            state,
        });
        locked(&self.done_entries).extend(done_entries);
        while !locked(&self.done_entries).is_empty()
            && !self.is_removing_done.swap(true, Ordering::AcqRel)
        {
            let turn = RemovalTurn(&self.is_removing_done);
            loop {
                let done_entries = std::mem::take(&mut *locked(&self.done_entries));
                if done_entries.is_empty() {
                    break;
                }
                for done_entries in done_entries.chunks(REMOVED_AT_ONCE) {
                    self.remove_done(done_entries).await;
                }
            }
            drop(turn);
        }
    }

    async fn remove_done(&self, done_entries: &[DoneEntry]) {
        let mut call = begin(&self.remove_done, &self.slot, &self.channels);
        for DoneEntry {
            decided_us,
            what,
            state,
        } in done_entries
        {
            call = call
                .arg(decided_us.as_str())
                .arg(what.as_str())
                .arg(state.as_str());
        }
        if let Err(error) = self.connection.call(&call).await {
            tracing::debug!(%error, "the outbox keeps what was carried over");
        }
    }
}

/// The turn of the one who settles, which ends with it, however that ends.
struct RemovalTurn<'a>(&'a AtomicBool);

impl Drop for RemovalTurn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
