//! The tasks of all jobs: what every operation on them shares. The operations are in files of their own.

use std::sync::Arc;

use serde::Deserialize;
use shim_proto::coordination::v1::Task;
use shim_runtime::background::BackgroundTasks;

use super::job::Job;
use super::lost_claims::LostClaims;
use super::metrics::KindLabels;
use super::outbox_relay::OutboxRelay;
use super::reader::{TaskReader, TextSelection};
use super::rows::Row;
use super::scripts::{ScriptRunner, script};
use super::wakeup::Wakeup;
use crate::bullmq::Queues;
use crate::connection::RedisConnection;
use crate::error::Error;
use crate::files::Files;
use crate::inbox::Inboxes;
use crate::keys::{Keys, Slot};
use crate::script::{Effect, Script};

/// The tasks of all jobs.
pub struct Tasks {
    pub(super) runner: ScriptRunner,
    pub(super) scripts: Scripts,
    pub(super) reader: Arc<TaskReader>,
    pub(super) queues: Arc<Queues>,
    pub(super) relay: Arc<OutboxRelay>,
    pub(super) lost_claims: LostClaims,
    pub(super) wakeup: Wakeup,
    pub(super) kinds: KindLabels,
}

/// The scripts that take lost tasks up again.
const RETRY: &str = concat!(
    include_str!("../lua/tasks/retrying.lua"),
    include_str!("../lua/tasks/retry.lua")
);
const FOLLOW: &str = concat!(
    include_str!("../lua/tasks/retrying.lua"),
    include_str!("../lua/tasks/follow.lua")
);

const SWEEP: &str = concat!(
    include_str!("../lua/tasks/retrying.lua"),
    include_str!("../lua/tasks/forgetting.lua"),
    include_str!("../lua/tasks/sweep.lua")
);
const PRUNE: &str = concat!(
    include_str!("../lua/tasks/forgetting.lua"),
    include_str!("../lua/tasks/prune.lua")
);

/// Every transition, hashed once.
pub(super) struct Scripts {
    pub(super) submit: Script,
    pub(super) claim: Script,
    pub(super) report: Script,
    pub(super) complete: Script,
    pub(super) fail: Script,
    pub(super) release: Script,
    pub(super) adopt: Script,
    pub(super) release_worker_tasks: Script,
    pub(super) cancel: Script,
    pub(super) retry: Script,
    pub(super) approve: Script,
    pub(super) sweep: Script,
    pub(super) follow: Script,
    pub(super) heads: Script,
    pub(super) declare: Script,
    pub(super) keep_queues: Script,
    pub(super) unread: Script,
    pub(super) note_sizes: Script,
    pub(super) events: Script,
    pub(super) stranded: Script,
    pub(super) health: Script,
    pub(super) trim: Script,
    pub(super) pause: Script,
    pub(super) prune: Script,
}

impl Scripts {
    fn new() -> Self {
        use Effect::{Frees, Reads, Writes};
        Self {
            submit: script(Writes, include_str!("../lua/tasks/submit.lua")),
            claim: script(Writes, include_str!("../lua/tasks/claim.lua")),
            // A full Redis must let work end.
            report: script(Frees, include_str!("../lua/tasks/report.lua")),
            complete: script(Frees, include_str!("../lua/tasks/complete.lua")),
            fail: script(Frees, include_str!("../lua/tasks/fail.lua")),
            release: script(Frees, include_str!("../lua/tasks/release.lua")),
            adopt: script(Writes, include_str!("../lua/tasks/adopt.lua")),
            release_worker_tasks: script(
                Frees,
                include_str!("../lua/tasks/release_worker_tasks.lua"),
            ),
            cancel: script(Frees, include_str!("../lua/tasks/cancel.lua")),
            retry: script(Writes, RETRY),
            approve: script(Frees, include_str!("../lua/tasks/approve.lua")),
            sweep: script(Frees, SWEEP),
            follow: script(Frees, FOLLOW),
            heads: script(Reads, include_str!("../lua/tasks/heads.lua")),
            declare: script(Frees, include_str!("../lua/tasks/declare.lua")),
            keep_queues: script(Frees, include_str!("../lua/tasks/keep_queues.lua")),
            note_sizes: script(Frees, include_str!("../lua/tasks/note_sizes.lua")),
            unread: script(Reads, include_str!("../lua/tasks/unread.lua")),
            events: script(Reads, include_str!("../lua/tasks/events.lua")),
            stranded: script(Frees, include_str!("../lua/tasks/stranded.lua")),
            health: script(Reads, include_str!("../lua/tasks/health.lua")),
            trim: script(Frees, include_str!("../lua/tasks/trim.lua")),
            pause: script(Frees, include_str!("../lua/tasks/pause.lua")),
            prune: script(Frees, PRUNE),
        }
    }
}

/// The task after a decision on it.
#[derive(Deserialize)]
pub(super) struct ChangedTask {
    pub(super) task: Row,
}

impl Tasks {
    pub(crate) fn new(
        connection: RedisConnection,
        keys: &Keys,
        files: Arc<Files>,
        inboxes: Arc<Inboxes>,
        background: &BackgroundTasks,
    ) -> Self {
        let wakeup = Wakeup::new(connection.clone(), keys, background.clone());
        let runner = ScriptRunner::new(connection.clone(), keys);
        let reader = Arc::new(TaskReader::new(runner.clone()));
        let prefix = runner.slot.tag();
        let queues = Arc::new(Queues::new(connection, prefix, background.clone()));
        let relay = OutboxRelay::new(
            runner.clone(),
            reader.clone(),
            queues.clone(),
            files,
            inboxes,
            wakeup.clone(),
            background.clone(),
        );
        Self {
            scripts: Scripts::new(),
            relay: Arc::new(relay),
            lost_claims: LostClaims::default(),
            kinds: KindLabels::default(),
            runner,
            reader,
            queues,
            wakeup,
        }
    }

    /// Wakes what waits for a task.
    pub fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    /// The slot of all tasks, where the supervisor's lock is too.
    pub fn slot(&self) -> &Slot {
        &self.runner.slot
    }

    /// The channel that wakes the watchers of a job, by Redis's name.
    pub fn channel(&self, root_id: &str) -> String {
        self.runner.channel(root_id)
    }

    /// A task with its result; `None` if there is none with this id.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, id: &str) -> Result<Option<Task>, Error> {
        let row = self.reader.row(TextSelection::All, id).await?;
        row.as_ref().map(Row::task).transpose()
    }

    /// A job with its subtasks; `None` if there is none with this root.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn job(&self, root_id: &str, with_results: bool) -> Result<Option<Job>, Error> {
        let texts = if with_results {
            TextSelection::All
        } else {
            TextSelection::Errors
        };
        Job::from_rows(&self.reader.job(texts, root_id).await?)
    }
}
