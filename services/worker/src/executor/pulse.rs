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
pub struct News {
    /// How far it is, 0..1.
    pub progress: Option<f64>,
    /// What it does now.
    pub note: Option<String>,
    /// What it cost.
    pub usage: Usage,
    /// The last checkpoint saved for it.
    pub checkpoint_id: Option<String>,
}

impl News {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what happened later.
    fn then(&mut self, later: Self) {
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
pub struct Pulse {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Debug)]
struct State {
    last_sign: Instant,
    pid: Option<u32>,
    progress: f64,
    news: News,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                last_sign: Instant::now(),
                pid: None,
                progress: 0.0,
                news: News::default(),
            }),
            told: Notify::new(),
        }
    }
}

impl Pulse {
    /// It lives.
    pub fn beat(&self) {
        self.state().last_sign = Instant::now();
    }

    /// It lives as this process.
    pub fn runs_as(&self, pid: u32) {
        self.state().pid = Some(pid);
        self.beat();
    }

    /// It lives and has something to tell. Progress never goes back.
    pub fn tell(&self, mut news: News) {
        let mut state = self.state();
        state.last_sign = Instant::now();
        news.progress = news.progress.filter(|progress| *progress > state.progress);
        state.progress = news.progress.unwrap_or(state.progress);
        if !news.is_empty() {
            state.news.then(news);
            drop(state);
            self.told.notify_one();
        }
    }

    /// Waits for something to be told.
    pub async fn told(&self) {
        self.told.notified().await;
    }

    /// What was told and not taken yet.
    #[must_use]
    pub fn take(&self) -> News {
        std::mem::take(&mut self.state().news)
    }

    /// Gives back what could not be passed on.
    pub fn give_back(&self, mut news: News) {
        let mut state = self.state();
        news.then(std::mem::take(&mut state.news));
        state.news = news;
        drop(state);
        self.told.notify_one();
    }

    /// When it was heard last.
    #[must_use]
    pub fn last_sign(&self) -> Instant {
        self.state().last_sign
    }

    /// How long it has been silent.
    #[must_use]
    pub fn silent(&self) -> Duration {
        self.last_sign().elapsed()
    }

    /// How far it is, 0..1.
    #[must_use]
    pub fn progress(&self) -> f64 {
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

    fn spent(input_tokens: u64) -> News {
        News {
            usage: Usage {
                input_tokens,
                ..Usage::default()
            },
            ..News::default()
        }
    }

    fn at(progress: f64, note: &str) -> News {
        News {
            progress: Some(progress),
            note: Some(note.to_owned()),
            ..News::default()
        }
    }

    #[test]
    fn news_is_folded_and_progress_never_goes_back() {
        let pulse = Pulse::default();
        pulse.tell(at(0.5, "half"));
        pulse.tell(spent(3));
        pulse.tell(at(0.2, "less"));
        let news = pulse.take();
        assert_eq!(
            (news.progress, news.note.as_deref()),
            (Some(0.5), Some("less"))
        );
        assert_eq!(news.usage.input_tokens, 3);
        assert!(pulse.take().is_empty());
    }

    #[test]
    fn what_is_given_back_counts_as_older() {
        let pulse = Pulse::default();
        pulse.tell(at(0.1, "old"));
        let undelivered = pulse.take();
        pulse.tell(at(0.2, "new"));
        pulse.give_back(undelivered);
        let news = pulse.take();
        assert_eq!(
            (news.progress, news.note.as_deref()),
            (Some(0.2), Some("new"))
        );
    }
}
