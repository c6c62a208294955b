//! Waking those who wait for a task: at once in this process, by a publication in others.
//!
//! The publication of a new queue names it. It may miss. Whoever waits looks by itself too, ten times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::cmd;
use tokio::sync::Notify;

use super::super::connection::RedisConnection;
use super::super::keys::Keys;

/// Wakes who waits for tasks. Clones wake the same.
#[derive(Clone)]
pub struct Wakeup {
    connection: RedisConnection,
    channel: String,
    local_notify: Arc<Notify>,
    /// A publication is on its way, and tells of what comes until it goes out.
    is_publishing: Arc<AtomicBool>,
}

impl Wakeup {
    pub(super) fn new(connection: RedisConnection, keys: &Keys) -> Self {
        Self {
            connection,
            channel: keys.channel("task:ready"),
            local_notify: Arc::default(),
            is_publishing: Arc::default(),
        }
    }

    /// The publication of other processes, by Redis's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Tells the one who looks for tasks in this process; a notice that comes while nobody listens is kept.
    #[must_use]
    pub fn local_notify(&self) -> Arc<Notify> {
        self.local_notify.clone()
    }

    /// Tells that tasks wait in their queues.
    pub(super) fn notify(&self) {
        self.local_notify.notify_one();
        if self.is_publishing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (connection, channel) = (self.connection.clone(), self.channel.clone());
        let is_publishing = self.is_publishing.clone();
        tokio::spawn(async move {
            // From here on there is news again.
            is_publishing.store(false, Ordering::Release);
            let publish = cmd("PUBLISH").arg(channel).arg("{}").to_owned();
            if let Err(error) = connection.query::<i64>(&publish).await {
                tracing::debug!(%error, "other processes look by themselves");
            }
        });
    }
}
