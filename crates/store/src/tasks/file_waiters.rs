//! Files of tasks: a task has them for itself from its claim to its end. A task whose files another has waits aside, so
//! that others may start before it, and is the first to be tried when they are free.
//!
//! A task that waited long enough is not overtaken any more: one that wants some of its files waits behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::cmd;
use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::{FileLeaseMode, Task};
use shim_runtime::ids::FileLeaseId;

use super::reader::{TaskReader, TextSelection};
use super::scripts::{ScriptRunner, script};
use super::wakeup::Wakeup;
use crate::bullmq::{Queues, TakenJob};
use crate::clock::unix_ms;
use crate::domain::Pattern;
use crate::domain::leases::{LeaseSpec, do_overlap};
use crate::error::Error;
use crate::files::{Files, LeaseOutcome, LeaseRequest};
use crate::idempotency::IdempotencyKey;
use crate::script::{Effect, Script};

/// How long a task's files are leased; the supervisor renews the leases while it runs.
pub(super) const FILES_TTL: Duration = Duration::from_secs(3_600);
/// A job whose files another task has is tried again after this, then after twice as long, and so on.
const MIN_DELAY_MS: u64 = 50;
const MAX_DELAY_MS: u64 = 2_000;
/// A task that waited for so long is not overtaken,
const PATIENCE_MS: i64 = 2_000;
/// while it is tried: a task that no worker takes is in no other's way.
const TRIED_WITHIN_MS: i64 = 5_000;
/// Jobs whose last delay is remembered.
const MAX_DELAYS: usize = 10_000;
/// Waiting tasks tried at once when files are free.
const TRIED_AT_ONCE: usize = 32;
/// Waiting tasks of a workspace that one look sees.
const MAX_WAITERS: usize = 1_000;
/// Bytes of a goal that the purpose of a lease holds.
const MAX_PURPOSE_BYTES: usize = 160;

/// Leases the files of tasks, and knows which tasks wait for some.
pub(super) struct FileWaiters {
    runner: ScriptRunner,
    reader: Arc<TaskReader>,
    queues: Arc<Queues>,
    files: Arc<Files>,
    wakeup: Wakeup,
    note: Script,
    list: Script,
    delays: Mutex<HashMap<String, u64>>,
}

/// A task that waits for files.
struct FileWaiter {
    task_id: String,
    since_ms: i64,
    tried_ms: i64,
    patterns: Vec<Pattern>,
}

#[derive(Serialize)]
struct NoteArgs<'a> {
    workspace: &'a str,
    id: &'a str,
    patterns: &'a [String],
}

#[derive(Serialize)]
struct ListArgs<'a> {
    workspace: &'a str,
    max: usize,
}

#[derive(Deserialize)]
struct ListAnswer {
    now_ms: i64,
    waiters: Vec<StoredWaiter>,
}

#[derive(Deserialize)]
struct StoredWaiter {
    id: String,
    noted: String,
}

/// The files of a task that is being claimed.
pub(super) enum LeasedFiles {
    /// It needs none.
    Nothing,
    /// It has them since an earlier claim, which may stand.
    Kept(FileLeaseId),
    /// They were leased for this claim.
    New(FileLeaseId),
}

impl LeasedFiles {
    /// The lease's id; empty for none.
    pub(super) fn id(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Kept(lease) | Self::New(lease) => lease.to_string(),
        }
    }
}

impl FileWaiters {
    pub(super) fn new(
        runner: ScriptRunner,
        reader: Arc<TaskReader>,
        queues: Arc<Queues>,
        files: Arc<Files>,
        wakeup: Wakeup,
    ) -> Self {
        Self {
            runner,
            reader,
            queues,
            files,
            wakeup,
            note: script(
                Effect::Writes,
                include_str!("../lua/tasks/note_file_waiter.lua"),
            ),
            list: script(
                Effect::Reads,
                include_str!("../lua/tasks/list_file_waiters.lua"),
            ),
            delays: Mutex::default(),
        }
    }

    /// The leases of all holders.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Leases the files of a job for its task; `None` if it has to wait for some of them.
    pub(super) async fn lease_files(&self, taken: &TakenJob) -> Result<Option<LeasedFiles>, Error> {
        let Some(task_id) = taken.task_id().filter(|_| !taken.files().is_empty()) else {
            return Ok(Some(LeasedFiles::Nothing));
        };
        if let Some(kept) = self.kept_lease(task_id, taken.workspace()).await? {
            return Ok(Some(LeasedFiles::Kept(kept)));
        }
        let request = lease_request_for(task_id, taken);
        if self.must_wait(task_id, &request).await? {
            return Ok(None);
        }
        match self
            .files
            .acquire(&IdempotencyKey::fresh(), &request)
            .await?
        {
            LeaseOutcome::Leased(lease) => {
                self.forget_delay(task_id);
                let lease_id = lease.lease_id.parse().map_err(|_| Error::Defect)?;
                Ok(Some(LeasedFiles::New(lease_id)))
            }
            LeaseOutcome::Held(_) => Ok(None),
        }
    }

    /// The lease that a task kept when it was given back, if it stands.
    async fn kept_lease(
        &self,
        task_id: &str,
        workspace: &str,
    ) -> Result<Option<FileLeaseId>, Error> {
        let look = cmd("HGET")
            .arg(self.runner.slot.item("task", task_id))
            .arg("files")
            .to_owned();
        let lease = self.runner.connection.query::<Option<String>>(&look);
        let Some(lease) = lease.await?.and_then(|lease| lease.parse().ok()) else {
            return Ok(None);
        };
        let renewed = self.files.renew(workspace, lease, task_id, FILES_TTL);
        match renewed.await {
            Ok(_) => Ok(Some(lease)),
            Err(Error::LeaseLost(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renews the lease of a task that runs.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn renew(&self, task: &Task, lease: &str) -> Result<(), Error> {
        let (workspace, id) = (&task.workspace, &task.task_id);
        let renewed = match lease.parse() {
            Ok(lease) => self.files.renew(workspace, lease, id, FILES_TTL).await,
            Err(_) => Err(Error::LeaseLost(lease.to_owned())),
        };
        match renewed {
            Ok(_) => Ok(()),
            Err(Error::LeaseLost(_)) => {
                tracing::warn!(task = id, "its files are not leased to it any more");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether another task waits for long for some of these files.
    async fn must_wait(&self, task_id: &str, request: &LeaseRequest) -> Result<bool, Error> {
        let (now, waiting) = self.list_waiters(&request.workspace).await?;
        let own = waiting.iter().find(|other| other.task_id == task_id);
        let since = own.map_or(now, |own| own.since_ms);
        Ok(waiting.iter().any(|other| {
            other.task_id != task_id
                && other.since_ms < since
                && other.since_ms < now - PATIENCE_MS
                && other.tried_ms > now - TRIED_WITHIN_MS
                && do_overlap(&other.patterns, &request.spec.patterns)
        }))
    }

    /// The store's time, and the tasks that wait for files of a workspace, the longest first.
    async fn list_waiters(&self, workspace: &str) -> Result<(i64, Vec<FileWaiter>), Error> {
        let args = ListArgs {
            workspace,
            max: MAX_WAITERS,
        };
        let answer = self.runner.run(&self.list, &args).await?;
        let (_, listed) = answer.unrefused::<ListAnswer>()?;
        let waiting = listed.waiters.iter();
        let mut waiting: Vec<_> = waiting.filter_map(FileWaiter::read).collect();
        waiting.sort_by(|a, b| (a.since_ms, &a.task_id).cmp(&(b.since_ms, &b.task_id)));
        Ok((listed.now_ms, waiting))
    }

    /// Gives back the lease of a claim that came to nothing; a lease that the task had before stays with it.
    pub(super) async fn release_new_lease(&self, taken: &TakenJob, leased_files: LeasedFiles) {
        let (LeasedFiles::New(lease), Some(task_id)) = (leased_files, taken.task_id()) else {
            return;
        };
        let (idempotency_key, lease) = (IdempotencyKey::fresh(), [lease]);
        let workspace = taken.workspace();
        let freed = self
            .files
            .release(&idempotency_key, workspace, task_id, &lease);
        if let Err(error) = freed.await {
            tracing::debug!(%error, task = task_id, "its files go with their time");
        }
    }

    /// Gives back all files of a task that needs them no more, and tries the tasks that wait for them. `lease` is the
    /// lease in its record, or empty.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn free_files(&self, task: &Task, lease: &str) -> Result<(), Error> {
        if task.files.is_empty() {
            return Ok(());
        }
        let (slot, id) = (&self.runner.slot, task.task_id.as_str());
        self.delete_field(&slot.item("blocked", &task.workspace), id)
            .await?;
        if lease.is_empty() {
            return Ok(());
        }
        let idempotency_key = IdempotencyKey::fresh();
        let freed = self
            .files
            .release(&idempotency_key, &task.workspace, id, &[]);
        freed.await?;
        self.delete_field(&slot.item("task", id), "files").await?;
        self.try_waiters(&task.workspace, &patterns(&task.files))
            .await;
        Ok(())
    }

    async fn delete_field(&self, key: &str, field: &str) -> Result<(), Error> {
        let delete = cmd("HDEL").arg(key).arg(field).to_owned();
        self.runner.connection.query::<i64>(&delete).await.map(drop)
    }

    /// Moves the waiting tasks that want some of these files to the front. If that fails they come by themselves.
    async fn try_waiters(&self, workspace: &str, files: &[Pattern]) {
        let Ok((_, waiting)) = self.list_waiters(workspace).await else {
            return;
        };
        let wanting = waiting.iter().filter(|w| do_overlap(&w.patterns, files));
        let ids: Vec<_> = wanting
            .take(TRIED_AT_ONCE)
            .map(|w| w.task_id.as_str())
            .collect();
        let Ok(rows) = self.reader.rows(TextSelection::None, &ids).await else {
            return;
        };
        let mut is_any = false;
        for row in rows {
            let moved = self.queues.move_to_front(&row.record.queue, &row.id);
            is_any |= moved.await.is_ok();
        }
        if is_any {
            self.wakeup.notify();
        }
    }

    /// Sets a job aside whose files another task has, so that others may start before it.
    ///
    /// # Errors
    /// As the store fails.
    pub(super) async fn delay(&self, taken: &TakenJob) -> Result<(), Error> {
        let task_id = taken.task_id().unwrap_or_default();
        let args = NoteArgs {
            workspace: taken.workspace(),
            id: task_id,
            patterns: taken.files(),
        };
        self.runner.run(&self.note, &args).await?;
        let now_ms = u64::try_from(unix_ms()).unwrap_or_default();
        taken.delay_until(now_ms + self.next_delay(task_id)).await
    }

    /// How long the next delay of a task is, in milliseconds.
    fn next_delay(&self, task_id: &str) -> u64 {
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        if delays.len() >= MAX_DELAYS {
            delays.clear();
        }
        let next_delay = delays.entry(task_id.to_owned()).or_insert(MIN_DELAY_MS);
        let delay = *next_delay;
        *next_delay = (delay * 2).min(MAX_DELAY_MS);
        delay
    }

    fn forget_delay(&self, task_id: &str) {
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.remove(task_id);
    }
}

impl FileWaiter {
    /// Reads what `note_file_waiter.lua` stored: since when, when tried last, then a pattern in each line.
    fn read(stored: &StoredWaiter) -> Option<Self> {
        let (times, files) = stored.noted.split_once('\n')?;
        let (since, tried) = times.split_once(' ')?;
        let files: Vec<String> = files.lines().map(str::to_owned).collect();
        Some(Self {
            task_id: stored.id.clone(),
            since_ms: since.parse().ok()?,
            tried_ms: tried.parse().ok()?,
            patterns: patterns(&files),
        })
    }
}

/// A text that is no pattern was refused when the job was submitted.
pub(super) fn patterns(files: &[String]) -> Vec<Pattern> {
    let patterns = files
        .iter()
        .filter_map(|file| Pattern::parse_stored(file).ok());
    patterns.collect()
}

/// What a task leases its files for: its goal, as far as a line holds it.
fn purpose(goal: &str) -> String {
    let line = goal.lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    format!(
        "task: {}",
        &line[..line.floor_char_boundary(MAX_PURPOSE_BYTES)]
    )
}

fn lease_request_for(task_id: &str, taken: &TakenJob) -> LeaseRequest {
    LeaseRequest {
        workspace: taken.workspace().to_owned(),
        spec: LeaseSpec {
            holder: task_id.to_owned(),
            mode: FileLeaseMode::Exclusive,
            patterns: patterns(taken.files()),
        },
        purpose: purpose(taken.goal()),
        ttl: FILES_TTL,
        fence: None,
    }
}
