//! Tasks: their records, who may work on them, and their way through BullMQ.
//!
//! The invariants, each kept by one script over one hash slot: a task has one worker at most, proven by the fencing token
//! of its claim; its result is committed once; what follows from its end - tasks that may start, a job that ends - is
//! decided in the same step. The record decides, BullMQ's queues follow it: what they must learn is owed in an outbox
//! until somebody carried it over, so nothing is lost when a process dies in between.

mod bullmq_sync;
mod claims;
mod decisions;
mod file_waiters;
mod health;
mod job;
mod log;
mod maintenance;
mod metrics;
mod notice;
mod outbox_relay;
mod queue;
mod reports;
mod rows;
mod spans;
mod submission;
mod taken_jobs;
mod wakeup;

use std::sync::Arc;
use std::time::Duration;

use shim_proto::coordination::v1::{Task, TaskState};

pub use claims::{Claimed, Claimer};
pub use health::{Depth, QueueCounts, QueueHead, QueuesHealth};
pub use maintenance::{SweepConfig, SweepResult, WorkerGone};
pub use outbox_relay::OutboxRelay;
pub use queue::{Class, executor, fits};
pub use reports::ProgressReport;
pub use submission::Submission;
pub use wakeup::Wakeup;

use self::metrics::KindLabels;
use super::clock::millis;
use super::connection::RedisConnection;
use super::files::Files;
use super::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use super::inbox::Inboxes;
use super::keys::{Keys, Slot};
use super::reply::Reply;
use super::script::{Call, Effect, Script};
use crate::error::Error;
use crate::metrics::{StaleWriteKind, count_stale_write};
use rows::Row;

/// The bus channels of jobs begin with it; the id of the root follows.
const CHANNELS: &str = "task:";
/// Tasks in a page of a list.
const READ_AT_ONCE: usize = 200;

/// A job: its root and its subtasks, in their order.
#[derive(Debug, Clone)]
pub struct Job {
    /// The root.
    pub root: Task,
    /// Its subtasks.
    pub subtasks: Vec<Task>,
    /// The pause after the first failure of a task.
    pub backoff: Duration,
}

impl Job {
    /// The root and its subtasks after it; `None` of nothing.
    fn read(rows: &[Row]) -> Result<Option<Self>, Error> {
        let Some((root, subtasks)) = rows.split_first() else {
            return Ok(None);
        };
        Ok(Some(Self {
            backoff: Duration::from_millis(root.field("pause").parse().unwrap_or_default()),
            root: root.task()?,
            subtasks: subtasks.iter().map(Row::task).collect::<Result<_, _>>()?,
        }))
    }
}

/// Which tasks a list holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: any.
    pub states: Vec<TaskState>,
    /// Only those that this worker has or had last; empty: anybody's. With `Running` alone, subtasks too.
    pub worker_id: String,
    /// Only the subtasks of this job; empty: jobs.
    pub root_id: String,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The tasks, without results.
    pub tasks: Vec<Task>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The tasks of all jobs.
pub struct Tasks {
    connection: RedisConnection,
    slot: Slot,
    channels: String,
    scripts: Scripts,
    relay: Arc<OutboxRelay>,
    wakeup: Wakeup,
    kinds: KindLabels,
}

/// Every transition, hashed once.
struct Scripts {
    submit: Script,
    claim: Script,
    report: Script,
    complete: Script,
    fail: Script,
    release: Script,
    adopt: Script,
    release_worker_tasks: Script,
    cancel: Script,
    retry: Script,
    approve: Script,
    sweep: Script,
    follow: Script,
    reschedule: Script,
    heads: Script,
    declare: Script,
    events: Script,
    stranded: Script,
    health: Script,
}

impl Scripts {
    fn new() -> Self {
        use Effect::{Frees, Reads, Writes};
        Self {
            submit: transition(Writes, include_str!("../lua/tasks/submit.lua")),
            claim: script(Writes, include_str!("../lua/tasks/claim.lua")),
            // A full Redis must let work end.
            report: script(Frees, include_str!("../lua/tasks/report.lua")),
            complete: transition(Frees, include_str!("../lua/tasks/complete.lua")),
            fail: transition(Frees, include_str!("../lua/tasks/fail.lua")),
            release: transition(Frees, include_str!("../lua/tasks/release.lua")),
            adopt: transition(Writes, include_str!("../lua/tasks/adopt.lua")),
            release_worker_tasks: transition(Frees, include_str!("../lua/tasks/bury.lua")),
            cancel: transition(Frees, include_str!("../lua/tasks/cancel.lua")),
            retry: transition(Writes, include_str!("../lua/tasks/retry.lua")),
            approve: transition(Frees, include_str!("../lua/tasks/approve.lua")),
            sweep: script(Frees, include_str!("../lua/tasks/sweep.lua")),
            follow: transition(Frees, include_str!("../lua/tasks/follow.lua")),
            reschedule: script(Frees, include_str!("../lua/tasks/reschedule.lua")),
            heads: script(Reads, include_str!("../lua/tasks/heads.lua")),
            declare: script(Writes, include_str!("../lua/tasks/declare.lua")),
            stranded: transition(Frees, include_str!("../lua/tasks/stranded.lua")),
            events: script(Reads, include_str!("../lua/tasks/events.lua")),
            health: script(Reads, include_str!("../lua/tasks/health.lua")),
        }
    }
}

/// A script of tasks, with what they all share.
fn script(effect: Effect, body: &str) -> Script {
    let shared = include_str!("../lua/tasks/shared.lua");
    Script::new(effect, &format!("{shared}\n{body}"))
}

/// A script that changes what is counted, and tells so.
fn transition(effect: Effect, body: &str) -> Script {
    let body = format!("local function decide()\n{body}\nend\nreturn with_counts(decide())");
    script(effect, &body)
}

impl Tasks {
    pub(super) fn new(
        connection: RedisConnection,
        keys: &Keys,
        files: Arc<Files>,
        inboxes: Arc<Inboxes>,
    ) -> Self {
        let slot = keys.tasks();
        let channels = keys.channel(CHANNELS);
        let wakeup = Wakeup::new(connection.clone(), keys);
        let relay = OutboxRelay::new(
            connection.clone(),
            slot.clone(),
            channels.clone(),
            files,
            inboxes,
            wakeup.clone(),
        );
        Self {
            scripts: Scripts::new(),
            relay: Arc::new(relay),
            connection,
            slot,
            channels,
            wakeup,
            kinds: KindLabels::default(),
        }
    }

    /// Wakes who waits for a task.
    pub fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    /// The slot of all tasks, where the supervisor's lock is too.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The channel that wakes who watches a job, by Redis's name.
    pub fn channel(&self, root_id: &str) -> String {
        format!("{}{root_id}", self.channels)
    }

    /// A task with its result.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, id: &str) -> Result<Option<Task>, Error> {
        let rows = self.relay.rows("all", &[id]).await?;
        rows.first().map(Row::task).transpose()
    }

    /// A job with its subtasks; `None` if there is none with this root.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn job(&self, root_id: &str, with_results: bool) -> Result<Option<Job>, Error> {
        let texts = if with_results { "all" } else { "errors" };
        let call = self
            .call(&self.relay.read)
            .arg(texts)
            .arg("job")
            .arg(root_id);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        Job::read(&Row::all(&mut reply)?)
    }

    /// A page of jobs, the newest first; of the subtasks of one, in their order; or of all that a worker runs, if only
    /// running ones of a worker are asked for. After an earlier page.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        let is_running = filter.states.as_slice() == [TaskState::Running];
        let (list, newest_first) = match (filter.root_id.as_str(), filter.worker_id.as_str()) {
            ("", worker) if is_running && !worker.is_empty() => {
                (self.slot.item("running", worker), 0)
            }
            ("", _) => (self.slot.key("jobs"), 1),
            (root, _) => (self.slot.item("parts", root), 0),
        };
        let states: String = filter
            .states
            .iter()
            .map(|state| i32::from(*state).to_string())
            .collect();
        let call = self
            .call(&self.relay.read)
            .arg("errors")
            .arg("list")
            .arg(list)
            .arg(newest_first)
            .arg(after.unwrap_or("0"))
            .arg(count)
            .arg(states)
            .arg(filter.worker_id.as_str());
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let next: String = reply.take()?;
        Ok(Page {
            tasks: rows::tasks(&mut reply)?,
            next: (!next.is_empty()).then_some(next),
        })
    }

    /// Begins a call with what all scripts of tasks have in common.
    fn call<'a>(&self, script: &'a Script) -> Call<'a> {
        begin(script, &self.slot, &self.channels)
    }

    /// Begins a call that has one effect for a request id.
    fn idempotent_call<'a>(
        &self,
        script: &'a Script,
        idempotency_key: &IdempotencyKey,
    ) -> Call<'a> {
        self.call(script)
            .arg(self.slot.request_key(&idempotency_key.request_id))
            .arg(idempotency_key.fingerprint.as_str())
            .arg(millis(REQUEST_ID_TTL))
    }

    /// Runs a transition, and counts what it did.
    async fn run_transition(&self, call: &Call<'_>) -> Result<Reply, Error> {
        let mut reply = self.connection.call(call).await?;
        metrics::count_committed(&mut reply)?;
        Ok(reply)
    }

    /// Reads what every script answers first: what is left to be carried over.
    fn take_entries(&self, reply: &mut Reply) -> Result<OutboxEntries, Error> {
        Ok(OutboxEntries {
            decided_us: reply.take()?,
            items: reply.take()?,
        })
    }
}

fn begin<'a>(script: &'a Script, slot: &Slot, channels: &str) -> Call<'a> {
    script
        .call()
        .key(slot.clock())
        .arg(slot.key(""))
        .arg(channels)
}

/// What a decision left to be carried over: tasks by id, and messages as `why id`.
#[derive(Debug, Clone, Default)]
struct OutboxEntries {
    /// When it was decided, in microseconds by the store's clock.
    decided_us: String,
    items: Vec<String>,
}

impl OutboxEntries {
    /// When it was decided, in milliseconds of Unix time by the store's clock.
    fn at_ms(&self) -> i64 {
        self.decided_us.parse::<i64>().unwrap_or_default() / 1_000
    }
}

/// The refusals that every decision on a task may have.
fn refusal(status: &str, reply: &mut Reply, id: &str) -> Result<Error, Error> {
    Ok(match status {
        "NOT_FOUND" | "UNKNOWN" => Error::TaskNotFound(id.to_owned()),
        "STALE" => {
            let state: String = reply.take()?;
            let worker: String = reply.take()?;
            count_stale_write(StaleWriteKind::Task);
            Error::StaleLease {
                task: id.to_owned(),
                why: why_stale(&state, &worker),
            }
        }
        other => idempotency::refusal(other, reply, None)?,
    })
}

fn why_stale(state: &str, worker: &str) -> String {
    let state = state.parse::<i32>().ok();
    let state = state.and_then(|n| TaskState::try_from(n).ok());
    match state {
        Some(TaskState::Running) if !worker.is_empty() => format!("worker {worker} has it now"),
        Some(TaskState::Completed) => "it is completed".to_owned(),
        Some(TaskState::Failed) => "it failed for good".to_owned(),
        Some(TaskState::Cancelled) => "it was called off".to_owned(),
        Some(TaskState::AwaitingApproval) => "its result waits for an approval".to_owned(),
        _ => "it was given back and waits for another worker".to_owned(),
    }
}
