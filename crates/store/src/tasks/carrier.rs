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

use super::super::files::Files;
use super::super::inbox::Inboxes;
use super::super::keys::Slot;
use super::super::ledger::Once;
use super::super::link::{ANSWER_WITHIN, Link};
use super::super::script::{Effect, Script};
use super::blocked::Blocked;
use super::held::{Held, Unheard};
use super::mirror::{self, Sight};
use super::queue::{Class, OpenQueue};
use super::rows::Row;
use super::wakeup::Wakeup;
use super::{Owed, begin, notice, script};
use crate::error::Error;

/// Tasks carried over at a time.
const AT_ONCE: usize = 64;
/// Decisions carried over in the background at a time; others wait in the outbox for the supervisor.
const IN_BACKGROUND: usize = 256;
/// What is taken off the outbox in one step.
const SETTLED_AT_ONCE: usize = 500;

/// Carries over what was decided. One for each process.
pub struct Carrier {
    pub(super) link: Link,
    pub(super) slot: Slot,
    channels: String,
    pub(super) files: Arc<Files>,
    inboxes: Arc<Inboxes>,
    wakeup: Wakeup,
    pub(super) read: Script,
    settle_up: Script,
    queues: tokio::sync::Mutex<Open>,
    known: Mutex<Known>,
    pub(super) held: Mutex<Held>,
    pub(super) unheard: Mutex<Unheard>,
    pub(super) blocked: Blocked,
    background: Arc<Semaphore>,
    settled: Mutex<Vec<Settled>>,
    is_settling: AtomicBool,
}

/// The queues that are open, for the connection they were opened with.
#[derive(Default)]
struct Open {
    connected_to: u64,
    queues: HashMap<String, Arc<OpenQueue>>,
}

/// The queues that were made known, for the same connection: a failover may have lost that.
#[derive(Default)]
struct Known {
    connected_to: u64,
    queues: HashSet<String>,
}

/// What was carried over.
struct Settled {
    until_us: String,
    what: String,
    /// The state it was carried over in; empty for a message.
    state: String,
}

impl Carrier {
    pub(super) fn new(
        link: Link,
        slot: Slot,
        channels: String,
        files: Arc<Files>,
        inboxes: Arc<Inboxes>,
        wakeup: Wakeup,
    ) -> Self {
        Self {
            link,
            slot,
            channels,
            files,
            inboxes,
            wakeup,
            read: script(Effect::Reads, include_str!("../lua/tasks/read.lua")),
            settle_up: script(Effect::Frees, include_str!("../lua/tasks/settle_up.lua")),
            queues: tokio::sync::Mutex::default(),
            known: Mutex::default(),
            held: Mutex::default(),
            unheard: Mutex::default(),
            blocked: Blocked::new(),
            background: Arc::new(Semaphore::new(IN_BACKGROUND)),
            settled: Mutex::default(),
            is_settling: AtomicBool::default(),
        }
    }

    pub(super) fn channels(&self) -> &str {
        &self.channels
    }

    pub(super) fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    pub(super) fn knows(&self, queue: &str) -> bool {
        let known = locked(&self.known);
        known.connected_to == self.link.generation() && known.queues.contains(queue)
    }

    pub(super) fn know(&self, class: &Class) {
        let mut known = locked(&self.known);
        let connected_to = self.link.generation();
        if known.connected_to != connected_to {
            *known = Known {
                connected_to,
                queues: HashSet::new(),
            };
        }
        known.queues.insert(class.name.clone());
    }

    /// An open queue, of the Redis that the link is connected to now.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn open(&self, name: &str) -> Result<Arc<OpenQueue>, Error> {
        self.link.address()?;
        self.link.health().map_err(Error::Unavailable)?;
        match tokio::time::timeout(ANSWER_WITHIN, self.open_now(name)).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Unavailable("Redis answers slowly".to_owned())),
        }
    }

    async fn open_now(&self, name: &str) -> Result<Arc<OpenQueue>, Error> {
        let mut open = self.queues.lock().await;
        let connected_to = self.link.generation();
        if open.connected_to != connected_to {
            // After a failover BullMQ's connections would go on asking the old master.
            *open = Open {
                connected_to,
                queues: HashMap::new(),
            };
        }
        if let Some(queue) = open.queues.get(name) {
            return Ok(queue.clone());
        }
        let connection = self.link.address()?.for_bullmq().await?;
        let queue = Arc::new(OpenQueue::open(name, self.slot.tag(), connection).await?);
        open.queues.insert(name.to_owned(), queue.clone());
        Ok(queue)
    }

    /// Carries over what a decision left, as far as that is possible now.
    pub(super) async fn carry(&self, owed: Owed) {
        self.carry_known(owed, Vec::new(), Sight::Expected).await;
    }

    /// The same in the background; if too much is on its way, it is left to the supervisor.
    pub(super) fn carry_soon(self: &Arc<Self>, owed: Owed, known: Vec<Row>) {
        if owed.what.is_empty() {
            return;
        }
        let Ok(place) = self.background.clone().try_acquire_owned() else {
            return;
        };
        let carrier = self.clone();
        tokio::spawn(async move {
            carrier.carry_known(owed, known, Sight::Expected).await;
            drop(place);
        });
    }

    /// The same with the records that are at hand; others are read.
    pub(super) async fn carry_known(&self, owed: Owed, mut known: Vec<Row>, sight: Sight) {
        let (notices, ids): (Vec<_>, Vec<_>) =
            owed.what.into_iter().partition(|what| what.contains(' '));
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        known.retain(|row| wanted.contains(row.id.as_str()));
        let at_hand: HashSet<String> = known.iter().map(|row| row.id.clone()).collect();
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
                known.extend(rows);
            }
            Err(error) => tracing::debug!(%error, "left in the outbox"),
        }
        done.extend(self.mirror_all(&known, sight).await);
        for what in notices {
            match self.notify(&what).await {
                Ok(()) => done.push((what, String::new())),
                Err(error) => tracing::debug!(%error, what, "left in the outbox"),
            }
        }
        self.settle(&owed.until_us, done).await;
    }

    /// Makes BullMQ agree with records; tells those with which it does now, and the state each was in.
    async fn mirror_all(&self, rows: &[Row], sight: Sight) -> Vec<(String, String)> {
        let agreed = rows.iter().map(|row| {
            let agreed = async move { (row, mirror::agree(self, row, sight).await) };
            agreed.boxed()
        });
        // The first alone: it brings BullMQ's script to Redis, and then they arrive in their order.
        let mut agreed = agreed.collect::<Vec<_>>().into_iter();
        let first = stream::iter(agreed.next()).buffer_unordered(1);
        let mut agreed = first.chain(stream::iter(agreed).buffer_unordered(AT_ONCE));
        let (mut done, mut is_ready) = (Vec::with_capacity(rows.len()), false);
        while let Some((row, outcome)) = agreed.next().await {
            match outcome {
                Ok(()) => {
                    is_ready |= mirror::can_start(row);
                    done.push((row.id.clone(), row.field("state").to_owned()));
                }
                Err(error) => tracing::debug!(%error, task = row.id, "left in the outbox"),
            }
        }
        if is_ready {
            self.wakeup.tell();
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
        let Some(to) = self.submitter(&task).await? else {
            return Ok(());
        };
        let message: Message = notice::of(why, &task);
        let once = Once {
            // The same notice once; another run of a task that was retried has another time.
            request_id: format!("task-{why}-{id}-{}", notice::moment(&task)),
            fingerprint: String::new(),
        };
        match self.inboxes.send(&once, &to, &message).await {
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
            let mut reply = self.link.call(&call).await?;
            reply.status()?;
            rows.extend(Row::all(&mut reply)?);
        }
        Ok(rows)
    }

    /// Takes off the outbox what was done. Of those who come at once, one does it for all. If it fails, it is all done
    /// again, which changes nothing.
    async fn settle(&self, until_us: &str, done: Vec<(String, String)>) {
        let settled = done.into_iter().map(|(what, state)| Settled {
            until_us: until_us.to_owned(),
            what,
            state,
        });
        locked(&self.settled).extend(settled);
        while !locked(&self.settled).is_empty() && !self.is_settling.swap(true, Ordering::AcqRel) {
            let turn = Turn(&self.is_settling);
            loop {
                let settled = std::mem::take(&mut *locked(&self.settled));
                if settled.is_empty() {
                    break;
                }
                for settled in settled.chunks(SETTLED_AT_ONCE) {
                    self.settle_up(settled).await;
                }
            }
            drop(turn);
        }
    }

    async fn settle_up(&self, settled: &[Settled]) {
        let mut call = begin(&self.settle_up, &self.slot, &self.channels);
        for Settled {
            until_us,
            what,
            state,
        } in settled
        {
            call = call
                .arg(until_us.as_str())
                .arg(what.as_str())
                .arg(state.as_str());
        }
        if let Err(error) = self.link.call(&call).await {
            tracing::debug!(%error, "the outbox keeps what was carried over");
        }
    }
}

/// The turn of the one who settles, which ends with it, however that ends.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
