//! The outbox relay: makes BullMQ agree with what was decided, and sends the messages to submitters.
//!
//! The relay looks at a task's record and makes BullMQ agree with it, so relaying twice or late does no harm. What fails
//! stays in the outbox, which the supervisor goes through. Nothing is taken off the outbox before it was done.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use shim_proto::coordination::v1::TaskState;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::Semaphore;

use super::done_entries::{DoneEntries, DoneEntry};
use super::file_waiters::FileWaiters;
use super::notifier::Notifier;
use super::outbox_entries::OutboxEntries;
use super::reader::{TaskReader, TextSelection};
use super::rows::Row;
use super::scripts::ScriptRunner;
use super::taken_jobs::TakenJobs;
use super::wakeup::Wakeup;
use crate::bullmq::{JobState, Queues, TakenJob, TaskJob};
use crate::error::Error;
use crate::files::Files;
use crate::inbox::Inboxes;

/// Tasks relayed at a time.
const AT_ONCE: usize = 64;
/// Decisions relayed in the background at a time; others wait in the outbox for the supervisor.
const IN_BACKGROUND: usize = 256;

/// What is assumed of where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobLocation {
    /// Where the record's way so far left it.
    Expected,
    /// Anywhere.
    Lost,
}

/// Relays what was decided. There is one in each process.
pub(super) struct OutboxRelay {
    pub(super) taken_jobs: TakenJobs,
    pub(super) file_waiters: FileWaiters,
    reader: Arc<TaskReader>,
    queues: Arc<Queues>,
    notifier: Notifier,
    done_entries: DoneEntries,
    wakeup: Wakeup,
    background: BackgroundTasks,
    background_permits: Arc<Semaphore>,
}

impl OutboxRelay {
    pub(super) fn new(
        runner: ScriptRunner,
        reader: Arc<TaskReader>,
        queues: Arc<Queues>,
        files: Arc<Files>,
        inboxes: Arc<Inboxes>,
        wakeup: Wakeup,
        background: BackgroundTasks,
    ) -> Self {
        Self {
            taken_jobs: TakenJobs::default(),
            file_waiters: FileWaiters::new(
                runner.clone(),
                reader.clone(),
                queues.clone(),
                files,
                wakeup.clone(),
            ),
            notifier: Notifier::new(runner.clone(), reader.clone(), inboxes),
            done_entries: DoneEntries::new(runner),
            background_permits: Arc::new(Semaphore::new(IN_BACKGROUND)),
            reader,
            queues,
            wakeup,
            background,
        }
    }

    /// Relays what a decision left, as far as that is possible now.
    pub(super) async fn relay(&self, entries: OutboxEntries) {
        self.relay_loaded(entries, Vec::new(), JobLocation::Expected)
            .await;
    }

    /// Relays in the background; beyond a bound the entries are left to the supervisor. `loaded` are records at hand.
    pub(super) fn relay_in_background(self: &Arc<Self>, entries: OutboxEntries, loaded: Vec<Row>) {
        if entries.items.is_empty() {
            return;
        }
        let Ok(permit) = self.background_permits.clone().try_acquire_owned() else {
            return;
        };
        let relay = self.clone();
        self.background.spawn_contained("outbox_relay", async move {
            relay
                .relay_loaded(entries, loaded, JobLocation::Expected)
                .await;
            drop(permit);
        });
    }

    /// Relays with the records that are at hand; the others are read.
    pub(super) async fn relay_loaded(
        &self,
        entries: OutboxEntries,
        loaded: Vec<Row>,
        job_location: JobLocation,
    ) {
        let OutboxEntries { decided_us, items } = entries;
        let (notices, ids): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|what| what.contains(' '));
        let done = |what: String, state: String| DoneEntry {
            decided_us,
            what,
            state,
        };
        let (rows, forgotten) = self.load(&ids, loaded).await;
        let mut done_entries: Vec<DoneEntry> = forgotten
            .into_iter()
            .map(|id| done(id, String::new()))
            .collect();
        for row in self.reconcile_all(&rows, job_location).await {
            done_entries.push(done(row.id.clone(), i32::from(row.state()).to_string()));
        }
        let mut owed = Vec::new();
        for what in notices {
            match self.notifier.send(&what).await {
                Ok(()) => done_entries.push(done(what, String::new())),
                Err(Error::InboxFull { .. }) => owed.push(what),
                Err(error) => tracing::debug!(%error, what, "left in the outbox"),
            }
        }
        self.notifier.owe(&owed).await;
        self.done_entries.remove(done_entries).await;
    }

    /// The records of tasks, and the ids of those that were forgotten, which need nothing any more.
    async fn load(&self, ids: &[String], mut loaded: Vec<Row>) -> (Vec<Row>, Vec<String>) {
        let wanted: HashSet<&str> = ids.iter().map(String::as_str).collect();
        loaded.retain(|row| wanted.contains(row.id.as_str()));
        let at_hand: HashSet<&str> = loaded.iter().map(|row| row.id.as_str()).collect();
        let unread: Vec<&str> = ids
            .iter()
            .map(String::as_str)
            .filter(|id| !at_hand.contains(id))
            .collect();
        let mut forgotten = Vec::new();
        match self.reader.rows(TextSelection::Errors, &unread).await {
            Ok(rows) => {
                let read: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
                let missing = unread.iter().filter(|id| !read.contains(**id));
                forgotten.extend(missing.map(|id| (*id).to_owned()));
                loaded.extend(rows);
            }
            Err(error) => tracing::debug!(%error, "left in the outbox"),
        }
        (loaded, forgotten)
    }

    /// Makes BullMQ agree with records; returns those with which it agrees now.
    async fn reconcile_all<'a>(&self, rows: &'a [Row], job_location: JobLocation) -> Vec<&'a Row> {
        let outcomes = rows.iter().map(|row| {
            let outcome = async move { (row, self.reconcile(row, job_location).await) };
            outcome.boxed()
        });
        // The first alone: it brings BullMQ's script to Redis, and then they arrive in their order.
        let mut outcomes = outcomes.collect::<Vec<_>>().into_iter();
        let first = stream::iter(outcomes.next()).buffer_unordered(1);
        let mut outcomes = first.chain(stream::iter(outcomes).buffer_unordered(AT_ONCE));
        let mut done = Vec::with_capacity(rows.len());
        while let Some((row, outcome)) = outcomes.next().await {
            match outcome {
                Ok(()) => done.push(row),
                Err(error) => tracing::debug!(%error, task = row.id, "left in the outbox"),
            }
        }
        if done.iter().any(|row| row.state() == TaskState::Ready) {
            self.wakeup.notify();
        }
        done
    }

    /// Makes BullMQ agree with a record, and gives back the files of a task that needs them no more.
    async fn reconcile(&self, row: &Row, job_location: JobLocation) -> Result<(), Error> {
        let (record, message) = (&row.record, row.message());
        let Some((state, keeps_files)) = wanted_state(row, &message) else {
            return Ok(());
        };
        let task = row.task()?;
        let task_job = TaskJob {
            queue: &record.queue,
            job_id: if record.job.is_empty() {
                &row.id
            } else {
                &record.job
            },
            made_ms: record.made_ms,
            is_foreign: !record.job.is_empty(),
            task: &task,
            backoff: Duration::from_millis(record.backoff_ms),
            is_fresh: job_location == JobLocation::Expected && record.is_fresh(),
            state,
        };
        let take = || self.taken_jobs.take(&row.id);
        self.queues.reconcile(&task_job, take).await?;
        if keeps_files {
            return Ok(());
        }
        self.file_waiters.free_files(&task, &record.files).await
    }

    /// Puts a job that was taken where its task's record says it belongs, which is not with a worker.
    pub(super) async fn reconcile_taken(&self, task_id: String, mut taken: TakenJob) {
        // A job that was run once more after it was completed lost what it returned.
        let ended = self.reader.row(TextSelection::All, &task_id).await;
        if let Ok(Some(task)) = ended.map(|row| row.and_then(|row| row.task().ok()))
            && let Some(result) = &task.result
        {
            taken.set_result(&result.text);
        }
        self.taken_jobs.hold(task_id.clone(), taken);
        let entries = OutboxEntries {
            // It is not in the outbox: there is nothing to take off.
            decided_us: 0,
            items: vec![task_id],
        };
        self.relay(entries).await;
    }
}

/// Where the job of a task belongs, and whether the task keeps its files; `None` if BullMQ need not follow. `message` is why
/// the task failed.
fn wanted_state<'a>(row: &Row, message: &'a str) -> Option<(JobState<'a>, bool)> {
    let record = &row.record;
    // No worker runs a job with subtasks.
    if record.has_subtasks() {
        return None;
    }
    Some(match row.state() {
        TaskState::Running | TaskState::Unspecified => return None,
        TaskState::Ready => (JobState::Waiting, true),
        TaskState::Delayed => {
            let until_ms = record.not_before_ms.unwrap_or_default();
            let until_ms = u64::try_from(until_ms).unwrap_or_default();
            (JobState::Delayed { until_ms }, true)
        }
        TaskState::AwaitingApproval if record.gate == "result" => (JobState::Completed, true),
        TaskState::Pending | TaskState::AwaitingApproval => (JobState::Absent, false),
        TaskState::Failed | TaskState::Cancelled => (JobState::Failed { reason: message }, false),
        TaskState::Completed => (JobState::Completed, false),
    })
}
