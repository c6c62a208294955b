//! Waking the distributors that wait for tasks: at once in this process, by a publication in others.
//!
//! The publication of a new queue names it. A publication may get lost: distributors also look twenty times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::cmd;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::Notify;

use crate::connection::RedisConnection;
use crate::keys::Keys;

/// Wakes the distributors. Clones wake the same.
#[derive(Clone)]
pub struct Wakeup {
    connection: RedisConnection,
    channel: String,
    local_notify: Arc<Notify>,
    /// A publication is about to go out: it stands for all that becomes ready before it does.
    is_publishing: Arc<AtomicBool>,
    background: BackgroundTasks,
}

impl Wakeup {
    pub(super) fn new(
        connection: RedisConnection,
        keys: &Keys,
        background: BackgroundTasks,
    ) -> Self {
        Self {
            connection,
            channel: keys.channel("task:ready"),
            local_notify: Arc::default(),
            is_publishing: Arc::default(),
            background,
        }
    }

    /// The channel of other processes' publications, by Redis's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Wakes the distributor of this process. A notice that comes while it does not wait is kept.
    #[must_use]
    pub fn local_notify(&self) -> Arc<Notify> {
        self.local_notify.clone()
    }

    /// Announces that tasks wait in their queues.
    pub(super) fn notify(&self) {
        self.local_notify.notify_one();
        if self.is_publishing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (connection, channel) = (self.connection.clone(), self.channel.clone());
        let is_publishing = self.is_publishing.clone();
        self.background.spawn_contained("task_wakeup", async move {
            // What becomes ready from here on needs another publication.
            is_publishing.store(false, Ordering::Release);
            let publish = cmd("PUBLISH").arg(channel).arg("{}").to_owned();
            if let Err(error) = connection.query::<i64>(&publish).await {
                tracing::debug!(%error, "other processes look by their own clock");
            }
        });
    }
}
