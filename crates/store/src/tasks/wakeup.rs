//! Waking those who wait for a task: at once in this process, by a publication in others.
//!
//! The publication of a new queue names it. It may miss. Whoever waits looks by itself too, ten times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::cmd;
use tokio::sync::Notify;

use super::super::keys::Keys;
use super::super::link::Link;

/// Wakes who waits for tasks. Clones wake the same.
#[derive(Clone)]
pub struct Wakeup {
    link: Link,
    channel: String,
    here: Arc<Notify>,
    /// A publication is on its way, and tells of what comes until it goes out.
    is_telling: Arc<AtomicBool>,
}

impl Wakeup {
    pub(super) fn new(link: Link, keys: &Keys) -> Self {
        Self {
            link,
            channel: keys.channel("task:ready"),
            here: Arc::default(),
            is_telling: Arc::default(),
        }
    }

    /// The publication of other processes, by Redis's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Tells the one who looks for tasks in this process; a notice that comes while nobody listens is kept.
    #[must_use]
    pub fn here(&self) -> Arc<Notify> {
        self.here.clone()
    }

    /// Tells that tasks wait in their queues.
    pub(super) fn tell(&self) {
        self.here.notify_one();
        if self.is_telling.swap(true, Ordering::AcqRel) {
            return;
        }
        let (link, channel) = (self.link.clone(), self.channel.clone());
        let is_telling = self.is_telling.clone();
        tokio::spawn(async move {
            // From here on there is news again.
            is_telling.store(false, Ordering::Release);
            let publish = cmd("PUBLISH").arg(channel).arg("{}").to_owned();
            if let Err(error) = link.query::<i64>(&publish).await {
                tracing::debug!(%error, "other processes look by themselves");
            }
        });
    }
}
