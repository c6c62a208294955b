//! Files of tasks: a task has them for itself from its claim to its end. One that cannot have them yet is put aside, so
//! that others may start before it, and is the first to be tried when they are free.
//!
//! Whoever waited long enough is not overtaken any more: a task that wants some of its files waits behind it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use redis::cmd;
use shim_proto::coordination::v1::FileLeaseMode;

use super::super::clock::unix_ms;
use super::super::files::{LeaseOutcome, LeaseRequest};
use super::super::idempotency::IdempotencyKey;
use super::super::script::{Effect, Script};
use super::job::JobData;
use super::outbox_relay::{OutboxRelay, locked};
use super::queue::with_timeout;
use super::rows::Row;
use super::taken_jobs::TakenJob;
use super::{begin, script};
use crate::domain::Pattern;
use crate::domain::leases::{LeaseSpec, do_overlap};
use crate::error::Error;

/// How long a task's files are leased; the supervisor renews them while it runs.
pub(super) const FILES_TTL: Duration = Duration::from_secs(3_600);
/// A job whose files somebody else has is tried again after this, then after twice as long, and so on.
const MIN_DELAY_MS: u64 = 50;
const MAX_DELAY_MS: u64 = 2_000;
/// Who was blocked for so long is not overtaken,
const PATIENCE_MS: i64 = 2_000;
/// while it is tried: one that no worker takes stands in nobody's way.
const TRIED_WITHIN_MS: i64 = 5_000;
/// Jobs whose last pause is remembered.
const MAX_DELAYS: usize = 10_000;
/// Blocked tasks tried at once when files are free.
const TRIED_AT_ONCE: usize = 32;

/// What is needed to know who is blocked.
pub(super) struct FileWaiters {
    note: Script,
    list: Script,
    delays: Mutex<HashMap<String, u64>>,
}

/// A blocked task.
struct FileWaiter {
    task_id: String,
    since_ms: i64,
    tried_ms: i64,
    patterns: Vec<Pattern>,
}

impl FileWaiters {
    pub(super) fn new() -> Self {
        Self {
            note: script(Effect::Writes, include_str!("../lua/tasks/block.lua")),
            list: script(Effect::Reads, include_str!("../lua/tasks/blocked.lua")),
            delays: Mutex::default(),
        }
    }

    /// How long the next pause of a task is.
    fn next_delay(&self, task_id: &str) -> u64 {
        let mut delays = locked(&self.delays);
        if delays.len() >= MAX_DELAYS {
            delays.clear();
        }
        let next_delay = delays.entry(task_id.to_owned()).or_insert(MIN_DELAY_MS);
        let now = *next_delay;
        *next_delay = (now * 2).min(MAX_DELAY_MS);
        now
    }
}

/// The files of a task that is being claimed.
pub(super) enum LeasedFiles {
    /// It needs none.
    Nothing,
    /// It has them since an earlier claim, which may stand.
    Kept(String),
    /// They were leased for this claim.
    New(String),
}

impl LeasedFiles {
    /// The lease's id; empty for none.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Kept(lease) | Self::New(lease) => lease,
        }
    }
}

impl OutboxRelay {
    /// Leases the files of a job for its task; `None` if it has to wait for some of them.
    pub(super) async fn lease_files(&self, taken: &TakenJob) -> Result<Option<LeasedFiles>, Error> {
        if taken.data.files.is_empty() || taken.data.task_id.is_none() {
            return Ok(Some(LeasedFiles::Nothing));
        }
        if let Some(kept) = self.kept_lease(taken).await? {
            return Ok(Some(LeasedFiles::Kept(kept)));
        }
        let request = lease_request_for(&taken.task_id, &taken.data);
        if self.must_wait(&taken.task_id, &request).await? {
            return Ok(None);
        }
        match self
            .files
            .acquire(&IdempotencyKey::fresh(), &request)
            .await?
        {
            LeaseOutcome::Leased(lease) => {
                locked(&self.file_waiters.delays).remove(&taken.task_id);
                Ok(Some(LeasedFiles::New(lease.lease_id)))
            }
            LeaseOutcome::Held(_) => Ok(None),
        }
    }

    /// The lease that a task kept when it was given back, if it stands.
    async fn kept_lease(&self, taken: &TakenJob) -> Result<Option<String>, Error> {
        let look = cmd("HGET")
            .arg(self.slot.item("task", &taken.task_id))
            .arg("files")
            .to_owned();
        let Some(lease) = self.connection.query::<Option<String>>(&look).await? else {
            return Ok(None);
        };
        let Ok(lease_id) = lease.parse() else {
            return Ok(None);
        };
        let workspace = &taken.data.workspace;
        let renewed = self
            .files
            .renew(workspace, lease_id, &taken.task_id, FILES_TTL);
        match renewed.await {
            Ok(_) => Ok(Some(lease)),
            Err(Error::LeaseLost(_)) => Ok(None),
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

    /// The store's time and who is blocked in a workspace, the longest first.
    async fn list_waiters(&self, workspace: &str) -> Result<(i64, Vec<FileWaiter>), Error> {
        let call = begin(&self.file_waiters.list, &self.slot, self.channels()).arg(workspace);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let (_now_us, _entries): (String, Vec<String>) = (reply.take()?, reply.take()?);
        let now = reply.take()?;
        let stored = reply.rest::<String>()?;
        let pairs = stored.chunks_exact(2);
        let mut waiting: Vec<_> = pairs.filter_map(|pair| read(&pair[0], &pair[1])).collect();
        waiting.sort_by(|a, b| (a.since_ms, &a.task_id).cmp(&(b.since_ms, &b.task_id)));
        Ok((now, waiting))
    }

    /// Gives the lease back of a claim that came to nothing; one that the task had before stays with it.
    pub(super) async fn release_new_lease(&self, taken: &TakenJob, leased_files: LeasedFiles) {
        let LeasedFiles::New(lease) = leased_files else {
            return;
        };
        let Ok(lease_id) = lease.parse() else {
            return;
        };
        let (idempotency_key, lease_ids) = (IdempotencyKey::fresh(), [lease_id]);
        let workspace = &taken.data.workspace;
        let freed = self
            .files
            .release(&idempotency_key, workspace, &taken.task_id, &lease_ids);
        if let Err(error) = freed.await {
            tracing::debug!(%error, task = taken.task_id, "its files go with their time");
        }
    }

    /// Gives all files of a task back that needs them no more, and lets those be tried that wait for them.
    pub(super) async fn free_files(&self, row: &Row) -> Result<(), Error> {
        let task = row.task()?;
        if task.files.is_empty() {
            return Ok(());
        }
        let waiters_key = self.slot.item("blocked", &task.workspace);
        let forget = cmd("HDEL").arg(&waiters_key).arg(&row.id).to_owned();
        self.connection.query::<i64>(&forget).await?;
        if row.field("files").is_empty() {
            return Ok(());
        }
        let idempotency_key = IdempotencyKey::fresh();
        let freed = self
            .files
            .release(&idempotency_key, &task.workspace, &row.id, &[]);
        freed.await?;
        let forget = cmd("HDEL")
            .arg(self.slot.item("task", &row.id))
            .arg("files")
            .to_owned();
        self.connection.query::<i64>(&forget).await?;
        self.try_waiters(&task.workspace, &patterns(&task.files))
            .await;
        Ok(())
    }

    /// Lets the blocked tasks be taken first that want some of these files. If that fails they come by themselves.
    async fn try_waiters(&self, workspace: &str, files: &[Pattern]) {
        let Ok((_, waiting)) = self.list_waiters(workspace).await else {
            return;
        };
        let wanting = waiting.iter().filter(|w| do_overlap(&w.patterns, files));
        let ids: Vec<_> = wanting
            .take(TRIED_AT_ONCE)
            .map(|w| w.task_id.as_str())
            .collect();
        let Ok(rows) = self.rows("errors", &ids).await else {
            return;
        };
        let mut is_any = false;
        for row in rows {
            is_any |= self.move_to_front(&row).await.is_ok();
        }
        if is_any {
            self.wakeup().notify();
        }
    }

    async fn move_to_front(&self, row: &Row) -> Result<(), Error> {
        let open = self.open(row.field("queue")).await?;
        let Some(job) = with_timeout(open.queue.get_job(&row.id)).await? else {
            return Ok(());
        };
        with_timeout(job.promote()).await?;
        with_timeout(job.change_priority(job.priority(), true)).await
    }

    /// Lets a job wait whose files another has, so that others may start before it.
    pub(super) async fn delay(&self, taken: TakenJob) -> Result<(), Error> {
        let mut call = begin(&self.file_waiters.note, &self.slot, self.channels())
            .arg(taken.data.workspace.as_str())
            .arg(taken.task_id.as_str());
        for file in &taken.data.files {
            call = call.arg(file.as_str());
        }
        self.connection.call(&call).await?.status()?;
        let until = u64::try_from(unix_ms()).unwrap_or_default()
            + self.file_waiters.next_delay(&taken.task_id);
        with_timeout(taken.job.move_to_delayed(until)).await
    }
}

fn read(task_id: &str, stored: &str) -> Option<FileWaiter> {
    let (times, files) = stored.split_once('\n')?;
    let (since, tried) = times.split_once(' ')?;
    let files: Vec<String> = files.lines().map(str::to_owned).collect();
    Some(FileWaiter {
        task_id: task_id.to_owned(),
        since_ms: since.parse().ok()?,
        tried_ms: tried.parse().ok()?,
        patterns: patterns(&files),
    })
}

/// What is no pattern was refused when the job was submitted.
fn patterns(files: &[String]) -> Vec<Pattern> {
    let patterns = files.iter().filter_map(|file| Pattern::parse(file).ok());
    patterns.collect()
}

fn lease_request_for(task_id: &str, data: &JobData) -> LeaseRequest {
    LeaseRequest {
        workspace: data.workspace.clone(),
        spec: LeaseSpec {
            holder: task_id.to_owned(),
            mode: FileLeaseMode::Exclusive,
            patterns: patterns(&data.files),
        },
        purpose: "a task works on them".to_owned(),
        ttl: FILES_TTL,
        fence: None,
    }
}
