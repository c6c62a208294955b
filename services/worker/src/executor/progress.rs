//! The signs of life of one attempt, left by its executor and read by its worker.
//!
//! News that was not read yet is folded together, so a chatty program costs no memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::Usage;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is new about an attempt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProgressUpdate {
    /// How far it is, 0..1.
    pub progress: Option<f64>,
    /// What it does now.
    pub note: Option<String>,
    /// What it cost.
    pub usage: Usage,
    /// The last checkpoint saved for it.
    pub checkpoint_id: Option<String>,
}

impl ProgressUpdate {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what happened later.
    fn merge(&mut self, later: Self) {
        self.progress = later.progress.or(self.progress);
        self.note = later.note.or_else(|| self.note.take());
        self.checkpoint_id = later.checkpoint_id.or_else(|| self.checkpoint_id.take());
        self.usage.input_tokens += later.usage.input_tokens;
        self.usage.output_tokens += later.usage.output_tokens;
        self.usage.cost_usd += later.usage.cost_usd;
    }
}

/// Signs of life, shared by an executor and its worker.
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
    /// It lives.
    pub fn touch(&self) {
        self.state().last_activity = Instant::now();
    }

    /// It lives as this process.
    pub fn set_pid(&self, pid: u32) {
        self.state().pid = Some(pid);
        self.touch();
    }

    /// It lives and has something to tell. Progress never goes back.
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

    /// Waits for something to be told.
    pub async fn updated(&self) {
        self.updated.notified().await;
    }

    /// What was told and not taken yet.
    #[must_use]
    pub fn take(&self) -> ProgressUpdate {
        std::mem::take(&mut self.state().update)
    }

    /// Gives back what could not be passed on.
    pub fn put_back(&self, mut update: ProgressUpdate) {
        let mut state = self.state();
        update.merge(std::mem::take(&mut state.update));
        state.update = update;
        drop(state);
        self.updated.notify_one();
    }

    /// When it was heard last.
    #[must_use]
    pub fn last_activity(&self) -> Instant {
        self.state().last_activity
    }

    /// How long it has been silent.
    #[must_use]
    pub fn silent(&self) -> Duration {
        self.last_activity().elapsed()
    }

    /// How far it is, 0..1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.state().progress
    }

    /// The process it runs as.
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
    fn what_is_given_back_counts_as_older() {
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
