//! Taking off the outbox what the relay did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::scripts::{ScriptRunner, script};
use crate::script::{Effect, Script};

/// Entries that one call takes off.
const REMOVED_AT_ONCE: usize = 500;

/// An entry that was relayed.
#[derive(Serialize)]
pub(super) struct DoneEntry {
    /// When it was decided, in microseconds by the store's clock.
    pub(super) decided_us: u64,
    /// A task's id, or a message as `why id`.
    pub(super) what: String,
    /// The number of the task's state that the relay saw; empty for a message or a forgotten task.
    pub(super) state: String,
}

#[derive(Serialize)]
struct RemoveDoneArgs<'a> {
    entries: &'a [DoneEntry],
}

/// Entries on their way off the outbox. Of the callers that come at once, one takes off the entries of all.
pub(super) struct DoneEntries {
    runner: ScriptRunner,
    remove_done: Script,
    waiting: Mutex<Vec<DoneEntry>>,
    is_removing: AtomicBool,
}

impl DoneEntries {
    pub(super) fn new(runner: ScriptRunner) -> Self {
        Self {
            runner,
            remove_done: script(Effect::Frees, include_str!("../lua/tasks/remove_done.lua")),
            waiting: Mutex::default(),
            is_removing: AtomicBool::default(),
        }
    }

    /// Takes entries off the outbox. If that fails they are relayed once more, which changes nothing.
    pub(super) async fn remove(&self, done: Vec<DoneEntry>) {
        self.locked().extend(done);
        while !self.locked().is_empty() && !self.is_removing.swap(true, Ordering::AcqRel) {
            let _turn = RemovalTurn(&self.is_removing);
            loop {
                let entries = std::mem::take(&mut *self.locked());
                if entries.is_empty() {
                    break;
                }
                for entries in entries.chunks(REMOVED_AT_ONCE) {
                    self.remove_chunk(entries).await;
                }
            }
        }
    }

    async fn remove_chunk(&self, entries: &[DoneEntry]) {
        let args = RemoveDoneArgs { entries };
        if let Err(error) = self.runner.run(&self.remove_done, &args).await {
            tracing::debug!(%error, "the outbox keeps what was relayed");
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<DoneEntry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of the one caller that removes, which ends with it, however that ends.
struct RemovalTurn<'a>(&'a AtomicBool);

impl Drop for RemovalTurn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
