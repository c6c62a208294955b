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
use super::super::files::{Ask, Outcome};
use super::super::ledger::Once;
use super::super::script::{Effect, Script};
use super::carrier::{Carrier, locked};
use super::held::Taken;
use super::job::JobData;
use super::queue::timely;
use super::rows::Row;
use super::{begin, script};
use crate::domain::Pattern;
use crate::domain::leases::{Wish, do_overlap};
use crate::error::Error;

/// How long a task's files are leased; the supervisor renews them while it runs.
pub(super) const FILES_TTL: Duration = Duration::from_secs(3_600);
/// A job whose files somebody else has is tried again after this, then after twice as long, and so on.
const FIRST_ASIDE_MS: u64 = 50;
const LONGEST_ASIDE_MS: u64 = 2_000;
/// Who was blocked for so long is not overtaken,
const PATIENCE_MS: i64 = 2_000;
/// while it is tried: one that no worker takes stands in nobody's way.
const TRIED_WITHIN_MS: i64 = 5_000;
/// Jobs whose last pause is remembered.
const MOST_PAUSES: usize = 10_000;
/// Blocked tasks tried at once when files are free.
const TRIED_AT_ONCE: usize = 32;

/// What is needed to know who is blocked.
pub(super) struct Blocked {
    note: Script,
    look: Script,
    pauses: Mutex<HashMap<String, u64>>,
}

/// A blocked task.
struct Waiting {
    task_id: String,
    since_ms: i64,
    tried_ms: i64,
    patterns: Vec<Pattern>,
}

impl Blocked {
    pub(super) fn new() -> Self {
        Self {
            note: script(Effect::Writes, include_str!("../lua/tasks/block.lua")),
            look: script(Effect::Reads, include_str!("../lua/tasks/blocked.lua")),
            pauses: Mutex::default(),
        }
    }

    /// How long the next pause of a task is.
    fn pause(&self, task_id: &str) -> u64 {
        let mut pauses = locked(&self.pauses);
        if pauses.len() >= MOST_PAUSES {
            pauses.clear();
        }
        let pause = pauses.entry(task_id.to_owned()).or_insert(FIRST_ASIDE_MS);
        let now = *pause;
        *pause = (now * 2).min(LONGEST_ASIDE_MS);
        now
    }
}

/// The files of a task that is being claimed.
pub(super) enum Leased {
    /// It needs none.
    Nothing,
    /// It has them since an earlier claim, which may stand.
    Kept(String),
    /// They were leased for this claim.
    Anew(String),
}

impl Leased {
    /// The lease's id; empty for none.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Kept(lease) | Self::Anew(lease) => lease,
        }
    }
}

impl Carrier {
    /// Leases the files of a job for its task; `None` if it has to wait for some of them.
    pub(super) async fn lease_files(&self, taken: &Taken) -> Result<Option<Leased>, Error> {
        if taken.data.files.is_empty() || taken.data.task_id.is_none() {
            return Ok(Some(Leased::Nothing));
        }
        if let Some(kept) = self.kept_lease(taken).await? {
            return Ok(Some(Leased::Kept(kept)));
        }
        let ask = ask_for(&taken.task_id, &taken.data);
        if self.must_wait(&taken.task_id, &ask).await? {
            return Ok(None);
        }
        match self.files.acquire(&Once::anew(), &ask).await? {
            Outcome::Leased(lease) => {
                locked(&self.blocked.pauses).remove(&taken.task_id);
                Ok(Some(Leased::Anew(lease.lease_id)))
            }
            Outcome::Held(_) => Ok(None),
        }
    }

    /// The lease that a task kept when it was given back, if it stands.
    async fn kept_lease(&self, taken: &Taken) -> Result<Option<String>, Error> {
        let look = cmd("HGET")
            .arg(self.slot.item("task", &taken.task_id))
            .arg("files")
            .to_owned();
        let Some(lease) = self.link.query::<Option<String>>(&look).await? else {
            return Ok(None);
        };
        let workspace = &taken.data.workspace;
        let renewed = self
            .files
            .renew(workspace, &lease, &taken.task_id, FILES_TTL);
        match renewed.await {
            Ok(_) => Ok(Some(lease)),
            Err(Error::LeaseLost(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether another task waits for long for some of these files.
    async fn must_wait(&self, task_id: &str, ask: &Ask) -> Result<bool, Error> {
        let (now, waiting) = self.waiting(&ask.workspace).await?;
        let own = waiting.iter().find(|other| other.task_id == task_id);
        let since = own.map_or(now, |own| own.since_ms);
        Ok(waiting.iter().any(|other| {
            other.task_id != task_id
                && other.since_ms < since
                && other.since_ms < now - PATIENCE_MS
                && other.tried_ms > now - TRIED_WITHIN_MS
                && do_overlap(&other.patterns, &ask.wish.patterns)
        }))
    }

    /// The store's time and who is blocked in a workspace, the longest first.
    async fn waiting(&self, workspace: &str) -> Result<(i64, Vec<Waiting>), Error> {
        let call = begin(&self.blocked.look, &self.slot, self.channels()).arg(workspace);
        let mut reply = self.link.call(&call).await?;
        reply.status()?;
        let (_now_us, _owed): (String, Vec<String>) = (reply.take()?, reply.take()?);
        let now = reply.take()?;
        let noted = reply.rest::<String>()?;
        let pairs = noted.chunks_exact(2);
        let mut waiting: Vec<_> = pairs.filter_map(|pair| read(&pair[0], &pair[1])).collect();
        waiting.sort_by(|a, b| (a.since_ms, &a.task_id).cmp(&(b.since_ms, &b.task_id)));
        Ok((now, waiting))
    }

    /// Gives the lease back of a claim that came to nothing; one that the task had before stays with it.
    pub(super) async fn unlease(&self, taken: &Taken, leased: Leased) {
        let Leased::Anew(lease) = leased else {
            return;
        };
        let (once, lease) = (Once::anew(), [lease]);
        let workspace = &taken.data.workspace;
        let freed = self.files.release(&once, workspace, &taken.task_id, &lease);
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
        let blocked = self.slot.item("blocked", &task.workspace);
        let forget = cmd("HDEL").arg(&blocked).arg(&row.id).to_owned();
        self.link.query::<i64>(&forget).await?;
        if row.field("files").is_empty() {
            return Ok(());
        }
        let once = Once::anew();
        let freed = self.files.release(&once, &task.workspace, &row.id, &[]);
        freed.await?;
        let forget = cmd("HDEL")
            .arg(self.slot.item("task", &row.id))
            .arg("files")
            .to_owned();
        self.link.query::<i64>(&forget).await?;
        self.try_blocked(&task.workspace, &patterns(&task.files))
            .await;
        Ok(())
    }

    /// Lets the blocked tasks be taken first that want some of these files. If that fails they come by themselves.
    async fn try_blocked(&self, workspace: &str, files: &[Pattern]) {
        let Ok((_, waiting)) = self.waiting(workspace).await else {
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
            is_any |= self.try_first(&row).await.is_ok();
        }
        if is_any {
            self.wakeup().tell();
        }
    }

    async fn try_first(&self, row: &Row) -> Result<(), Error> {
        let open = self.open(row.field("queue")).await?;
        let Some(job) = timely(open.queue.get_job(&row.id)).await? else {
            return Ok(());
        };
        timely(job.promote()).await?;
        timely(job.change_priority(job.priority(), true)).await
    }

    /// Lets a job wait whose files another has, so that others may start before it.
    pub(super) async fn put_aside(&self, taken: Taken) -> Result<(), Error> {
        let mut call = begin(&self.blocked.note, &self.slot, self.channels())
            .arg(taken.data.workspace.as_str())
            .arg(taken.task_id.as_str());
        for file in &taken.data.files {
            call = call.arg(file.as_str());
        }
        self.link.call(&call).await?.status()?;
        let until =
            u64::try_from(unix_ms()).unwrap_or_default() + self.blocked.pause(&taken.task_id);
        timely(taken.job.move_to_delayed(until)).await
    }
}

fn read(task_id: &str, noted: &str) -> Option<Waiting> {
    let (times, files) = noted.split_once('\n')?;
    let (since, tried) = times.split_once(' ')?;
    let files: Vec<String> = files.lines().map(str::to_owned).collect();
    Some(Waiting {
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

fn ask_for(task_id: &str, data: &JobData) -> Ask {
    Ask {
        workspace: data.workspace.clone(),
        wish: Wish {
            holder: task_id.to_owned(),
            mode: FileLeaseMode::Exclusive,
            patterns: patterns(&data.files),
        },
        purpose: "a task works on them".to_owned(),
        ttl: FILES_TTL,
        fence: None,
    }
}
