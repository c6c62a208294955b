//! Carrying decisions over to BullMQ and to submitters: level by level, so that doing it twice or late does no harm.
//!
//! A carrier looks at a task's record and makes BullMQ agree with it. What it could not do stays in the outbox, which the
//! supervisor goes through. It also keeps the jobs this process took out, since only their taker can finish them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bullmq::Job as BullJob;
use futures::stream::{self, StreamExt};
use shim_proto::coordination::v1::{FileLeaseMode, Message, Task};
use tokio::sync::Semaphore;

use super::super::files::{Ask, Files, Outcome};
use super::super::inbox::Inboxes;
use super::super::keys::Slot;
use super::super::ledger::Once;
use super::super::link::Link;
use super::super::script::{Effect, Script};
use super::job::{self, JobData};
use super::queue::{Class, OpenQueue, timely};
use super::rows::Row;
use super::submission::Plan;
use super::wakeup::Wakeup;
use super::{Owed, begin, mirror, notice, script};
use crate::domain::Pattern;
use crate::domain::leases::Wish;
use crate::error::Error;

/// Tasks carried over at a time.
const AT_ONCE: usize = 64;
/// Decisions carried over in the background at a time; others wait in the outbox for the supervisor.
const IN_BACKGROUND: usize = 256;
/// How long a task's files are leased; the supervisor renews them while it runs.
pub(super) const FILES_TTL: Duration = Duration::from_secs(3_600);
/// A job whose files somebody else has is looked at again after this, then after twice as long, and so on.
const FIRST_ASIDE_MS: u64 = 50;
const LONGEST_ASIDE_MS: u64 = 2_000;

/// A job taken out of its queue, with the task it stands for.
pub(super) struct Taken {
    pub(super) task_id: String,
    pub(super) job: BullJob,
    data: JobData,
    queue: Arc<OpenQueue>,
}

/// Carries over what was decided. One for each process.
pub struct Carrier {
    pub(super) link: Link,
    pub(super) slot: Slot,
    channels: String,
    pub(super) files: Arc<Files>,
    inboxes: Arc<Inboxes>,
    wakeup: Wakeup,
    read: Script,
    settle_up: Script,
    queues: tokio::sync::Mutex<Open>,
    known: Mutex<HashSet<String>>,
    held: Mutex<HashMap<String, Held>>,
    aside: Mutex<HashMap<String, u64>>,
    background: Arc<Semaphore>,
}

/// The queues that are open, for the connection they were opened with.
#[derive(Default)]
struct Open {
    connected_to: u64,
    queues: HashMap<String, Arc<OpenQueue>>,
}

/// A job this process took out, and what its task resulted in.
struct Held {
    job: BullJob,
    result: String,
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
            aside: Mutex::default(),
            background: Arc::new(Semaphore::new(IN_BACKGROUND)),
        }
    }

    pub(super) fn knows(&self, queue: &str) -> bool {
        locked(&self.known).contains(queue)
    }

    pub(super) fn know(&self, class: &Class) {
        locked(&self.known).insert(class.name.clone());
    }

    /// An open queue, of the Redis that the link is connected to now.
    pub(super) async fn open(&self, name: &str) -> Result<Arc<OpenQueue>, Error> {
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
        let queue = OpenQueue::open(name, self.slot.tag(), connection).await?;
        let queue = Arc::new(queue);
        open.queues.insert(name.to_owned(), queue.clone());
        Ok(queue)
    }

    /// Carries over what a decision left, as far as that is possible now.
    pub(super) async fn carry(&self, owed: Owed) {
        let notices: Vec<&String> = owed.what.iter().filter(|what| what.contains(' ')).collect();
        let ids: Vec<&str> = owed
            .what
            .iter()
            .filter(|what| !what.contains(' '))
            .map(String::as_str)
            .collect();
        let mut done: Vec<String> = Vec::with_capacity(owed.what.len());
        match self.rows(&ids).await {
            Ok(rows) => done.extend(self.mirror_all(&ids, rows).await),
            Err(error) => tracing::debug!(%error, "left in the outbox"),
        }
        for what in notices {
            match self.notify(what).await {
                Ok(()) => done.push(what.clone()),
                Err(error) => tracing::debug!(%error, what, "left in the outbox"),
            }
        }
        self.settle_up(&owed.until_us, &done).await;
    }

    /// The same without waiting for it; if too much is on its way, it is left to the supervisor.
    pub(super) fn carry_soon(self: &Arc<Self>, owed: Owed) {
        if owed.what.is_empty() {
            return;
        }
        let Ok(place) = self.background.clone().try_acquire_owned() else {
            return;
        };
        let carrier = self.clone();
        tokio::spawn(async move {
            carrier.carry(owed).await;
            drop(place);
        });
    }

    /// Carries over a job just taken, which is at hand and needs no reading.
    pub(super) async fn carry_new(&self, owed: Owed, plan: &Plan) {
        let fresh: HashMap<&str, &Task> = std::iter::once(&plan.root)
            .chain(&plan.subtasks)
            .map(|task| (task.task_id.as_str(), task))
            .collect();
        let (mut adds, mut rest) = (Vec::new(), Vec::new());
        for what in owed.what {
            match fresh.get(what.as_str()) {
                // A delay is measured by the store's clock, so the record is read for it.
                Some(task) if plan.delay.is_zero() => adds.push((*task).clone()),
                _ => rest.push(what),
            }
        }
        let added = stream::iter(adds.into_iter().map(|task| self.add_new(task, plan)));
        let done: Vec<String> = added
            .buffer_unordered(AT_ONCE)
            .filter_map(|outcome| async { outcome })
            .collect()
            .await;
        if !done.is_empty() {
            self.wakeup.tell();
        }
        self.settle_up(&owed.until_us, &done).await;
        if !rest.is_empty() {
            let until_us = owed.until_us;
            self.carry(Owed {
                until_us,
                what: rest,
            })
            .await;
        }
    }

    async fn add_new(&self, mut task: Task, plan: &Plan) -> Option<String> {
        let root_id = plan.root.task_id.clone();
        task.root_id = root_id;
        let queue = Class::of(task.requirements.as_ref()).name;
        let added = async {
            let open = self.open(&queue).await?;
            let options = job::options(&task, plan.backoff, Duration::ZERO);
            open.add(job::name(&task), job::data(&task), options).await
        };
        match added.await {
            Ok(()) => Some(task.task_id),
            Err(error) => {
                tracing::debug!(%error, task = task.task_id, "left in the outbox");
                None
            }
        }
    }

    async fn mirror_all(&self, ids: &[&str], rows: Vec<Row>) -> Vec<String> {
        let known: HashSet<String> = rows.iter().map(|row| row.id.clone()).collect();
        // What was forgotten needs nothing any more.
        let forgotten = ids.iter().filter(|id| !known.contains(**id));
        let mut done: Vec<String> = forgotten.map(|id| (*id).to_owned()).collect();
        let mirrored = rows.iter().map(|row| async move {
            let outcome = mirror::agree(self, row).await;
            (row, outcome)
        });
        let mut mirrored = stream::iter(mirrored.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let mut is_ready = false;
        while let Some((row, outcome)) = mirrored.next().await {
            match outcome {
                Ok(()) => {
                    is_ready |= mirror::can_start(row);
                    done.push(row.id.clone());
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
        let Some(row) = self.rows(&[id]).await?.into_iter().next() else {
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
            let rows = self.rows(&[&task.root_id]).await?;
            let root = rows.first().map(Row::task).transpose()?;
            root.map(|root| root.submitted_by).unwrap_or_default()
        };
        Ok((!submitter.is_empty()).then_some(submitter))
    }

    async fn rows(&self, ids: &[&str]) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(super::READ_AT_ONCE) {
            let mut call = begin(&self.read, &self.slot, &self.channels)
                .arg("all")
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

    /// Takes off the outbox what was done. If that fails it is done again, which changes nothing.
    async fn settle_up(&self, until_us: &str, done: &[String]) {
        for done in done.chunks(500) {
            let mut call = begin(&self.settle_up, &self.slot, &self.channels);
            for what in done {
                call = call.arg(until_us).arg(what.as_str());
            }
            if let Err(error) = self.link.call(&call).await {
                tracing::debug!(%error, "the outbox keeps what was carried over");
            }
        }
    }

    /// Takes the next job out of a queue.
    pub(super) async fn take(&self, queue: &str) -> Result<Option<Taken>, Error> {
        let open = self.open(queue).await?;
        let Some(job) = open.take().await? else {
            return Ok(None);
        };
        let data = JobData::of(&job);
        Ok(Some(Taken {
            task_id: data.task_id.clone().unwrap_or_else(|| job.id().to_owned()),
            job,
            data,
            queue: open,
        }))
    }

    /// Leases the files of a job for its task; `None` if another has some of them, an empty text if there are none.
    pub(super) async fn lease_files(&self, taken: &Taken) -> Result<Option<String>, Error> {
        if taken.data.files.is_empty() || taken.data.task_id.is_none() {
            return Ok(Some(String::new()));
        }
        // Its own leases, which it kept if it was given back, are not in its way.
        let ask = ask_for(&taken.task_id, &taken.data);
        match self.files.acquire(&Once::anew(), &ask).await? {
            Outcome::Leased(lease) => {
                locked(&self.aside).remove(&taken.task_id);
                Ok(Some(lease.lease_id))
            }
            Outcome::Held(_) => Ok(None),
        }
    }

    /// Gives all files of a task back.
    pub(super) async fn free_files(&self, task_id: &str, workspace: &str) -> Result<(), Error> {
        let once = Once::anew();
        let freed = self.files.release(&once, workspace, task_id, &[]);
        freed.await.map(drop)
    }

    /// Lets a job wait whose files another has, so that others may start before it.
    pub(super) async fn put_aside(&self, taken: Taken) -> Result<(), Error> {
        let pause = {
            let mut aside = locked(&self.aside);
            let pause = aside.entry(taken.task_id.clone()).or_insert(FIRST_ASIDE_MS);
            let now = *pause;
            *pause = (now * 2).min(LONGEST_ASIDE_MS);
            now
        };
        let until = u64::try_from(super::super::clock::unix_ms()).unwrap_or_default() + pause;
        timely(taken.job.move_to_delayed(until)).await
    }

    /// Puts a job back that was taken for nothing; if that fails the supervisor finds it.
    pub(super) async fn put_back(&self, taken: Taken) {
        if let Err(error) = timely(taken.job.move_to_wait(None)).await {
            tracing::debug!(%error, task = taken.task_id, "a job waits for the supervisor");
        }
    }

    /// Takes a job out for good whose task needs no worker.
    pub(super) async fn drop_job(&self, mut taken: Taken) {
        if !taken.data.files.is_empty()
            && let Err(error) = self.free_files(&taken.task_id, &taken.data.workspace).await
        {
            tracing::debug!(%error, task = taken.task_id, "its files go with their time");
        }
        if let Err(error) = timely(taken.job.move_to_failed("its task needs no worker")).await {
            tracing::debug!(%error, task = taken.task_id, "a job waits for the supervisor");
        }
    }

    /// Keeps a job whose task was claimed, until it ends.
    pub(super) fn hold(&self, taken: Taken) {
        let held = Held {
            job: taken.job,
            result: String::new(),
        };
        locked(&self.held).insert(taken.task_id, held);
        drop(taken.queue);
    }

    /// What BullMQ shall know of a task's result.
    pub(super) fn note_result(&self, id: &str, text: &str) {
        if let Some(held) = locked(&self.held).get_mut(id) {
            text.clone_into(&mut held.result);
        }
    }

    /// The job of a task that this process took out, with its result; it is held no longer.
    pub(super) fn let_go(&self, id: &str) -> Option<(BullJob, String)> {
        let held = locked(&self.held).remove(id)?;
        Some((held.job, held.result))
    }
}

fn ask_for(task_id: &str, data: &JobData) -> Ask {
    // What is no pattern was refused when the job was submitted.
    let patterns = data
        .files
        .iter()
        .filter_map(|file| Pattern::parse(file).ok());
    Ask {
        workspace: data.workspace.clone(),
        wish: Wish {
            holder: task_id.to_owned(),
            mode: FileLeaseMode::Exclusive,
            patterns: patterns.collect(),
        },
        purpose: "a task works on them".to_owned(),
        ttl: FILES_TTL,
        fence: None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
