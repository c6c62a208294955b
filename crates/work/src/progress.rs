//! The signs of life of one attempt, written by its executor and read by its worker.
//!
//! Updates that were not read yet are merged, so a chatty program costs no memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::Usage;
use shim_runtime::ids::CheckpointId;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is new about an attempt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProgressUpdate {
    /// How far the attempt is, 0..1.
    pub progress: Option<f64>,
    /// What the executor does now.
    pub note: Option<String>,
    /// What the attempt cost since the update before.
    pub usage: Usage,
    /// The last checkpoint saved for it.
    pub checkpoint_id: Option<CheckpointId>,
}

impl ProgressUpdate {
    /// Whether the update says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Merges a later update into this one.
    pub fn merge(&mut self, later: Self) {
        self.progress = later.progress.or(self.progress);
        self.note = later.note.or_else(|| self.note.take());
        self.checkpoint_id = later.checkpoint_id.or(self.checkpoint_id);
        let (sum, more) = (&mut self.usage, later.usage);
        sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
        sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
        sum.cost_usd += more.cost_usd;
        sum.incomplete |= more.incomplete;
    }
}

/// The progress of one attempt, shared by its executor and its worker.
#[derive(Debug)]
pub struct ProgressHandle {
    state: Mutex<State>,
    updated: Notify,
}

#[derive(Debug)]
struct State {
    last_activity: Instant,
    pid: Option<u32>,
    progress: f64,
    update: ProgressUpdate,
}

impl Default for ProgressHandle {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                last_activity: Instant::now(),
                pid: None,
                progress: 0.0,
                update: ProgressUpdate::default(),
            }),
            updated: Notify::new(),
        }
    }
}

impl ProgressHandle {
    /// Notes a sign of life.
    pub fn touch(&self) {
        self.state().last_activity = Instant::now();
    }

    /// Notes the process that does the task.
    pub fn set_pid(&self, pid: u32) {
        self.state().pid = Some(pid);
        self.touch();
    }

    /// Notes a sign of life with news. Progress never goes back.
    pub fn update(&self, mut update: ProgressUpdate) {
        let mut state = self.state();
        state.last_activity = Instant::now();
        update.progress = update
            .progress
            .filter(|progress| *progress > state.progress);
        state.progress = update.progress.unwrap_or(state.progress);
        if !update.is_empty() {
            state.update.merge(update);
            drop(state);
            self.updated.notify_one();
        }
    }

    /// Waits for an update.
    pub async fn updated(&self) {
        self.updated.notified().await;
    }

    /// Takes the updates that were not taken yet, merged into one.
    #[must_use]
    pub fn take(&self) -> ProgressUpdate {
        std::mem::take(&mut self.state().update)
    }

    /// Puts back an update that could not be delivered; it counts as older than what came meanwhile.
    pub fn put_back(&self, mut update: ProgressUpdate) {
        let mut state = self.state();
        update.merge(std::mem::take(&mut state.update));
        state.update = update;
        drop(state);
        self.updated.notify_one();
    }

    /// When the last sign of life was.
    #[must_use]
    pub fn last_activity(&self) -> Instant {
        self.state().last_activity
    }

    /// How long ago the last sign of life was.
    #[must_use]
    pub fn silent(&self) -> Duration {
        self.last_activity().elapsed()
    }

    /// How far the attempt is, 0..1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.state().progress
    }

    /// The process that does the task, if there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.state().pid
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(input_tokens: u64) -> ProgressUpdate {
        ProgressUpdate {
            usage: Usage {
                input_tokens,
                ..Usage::default()
            },
            ..ProgressUpdate::default()
        }
    }

    fn at(progress: f64, note: &str) -> ProgressUpdate {
        ProgressUpdate {
            progress: Some(progress),
            note: Some(note.to_owned()),
            ..ProgressUpdate::default()
        }
    }

    #[test]
    fn updates_are_merged_and_progress_never_goes_back() {
        let progress = ProgressHandle::default();
        progress.update(at(0.5, "half"));
        progress.update(spent(3));
        progress.update(at(0.2, "less"));
        let update = progress.take();
        assert_eq!(
            (update.progress, update.note.as_deref()),
            (Some(0.5), Some("less"))
        );
        assert_eq!(update.usage.input_tokens, 3);
        assert!(progress.take().is_empty());
    }

    #[test]
    fn an_update_that_is_put_back_counts_as_older() {
        let progress = ProgressHandle::default();
        progress.update(at(0.1, "old"));
        let undelivered = progress.take();
        progress.update(at(0.2, "new"));
        progress.put_back(undelivered);
        let update = progress.take();
        assert_eq!(
            (update.progress, update.note.as_deref()),
            (Some(0.2), Some("new"))
        );
    }
}
