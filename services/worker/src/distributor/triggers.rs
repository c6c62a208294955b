//! What begins a round of the distributor: tasks that became ready, queues that are new.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shim_store::tasks::Class;
use shim_store::{Error, Store, Topic};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::wait_queue::WaitQueue;

/// How often a round begins by itself: a publication may get lost, and none says that a delay is over.
const ROUND_EVERY: Duration = Duration::from_millis(50);
/// How often the list of queues is read by itself.
const QUEUES_EVERY: Duration = Duration::from_secs(1);
/// How soon a subscription that failed is tried again.
const LISTEN_BACKOFF: Duration = Duration::from_millis(200);

/// What other processes announced.
#[derive(Default)]
pub(super) struct QueueNotifications {
    received: Notify,
    /// There may be a queue that is not known yet.
    has_new_queue: AtomicBool,
}

impl QueueNotifications {
    /// Listens until the future is dropped.
    pub(super) async fn listen(&self, store: &Store) {
        loop {
            let topic = Topic::Channel(store.tasks.wakeup().channel().to_owned());
            let mut subscription = match store.pubsub.subscribe(topic).await {
                Ok(subscription) => subscription,
                Err(Error::NoRedis) => return std::future::pending().await,
                Err(_) => {
                    sleep(LISTEN_BACKOFF).await;
                    continue;
                }
            };
            loop {
                // A publication that got lost may have named a queue.
                let has_new_queue = AtomicBool::new(true);
                subscription
                    .wait_for(|publication| {
                        has_new_queue
                            .store(publication.data.contains_key("queue"), Ordering::Relaxed);
                        true
                    })
                    .await;
                self.has_new_queue
                    .fetch_or(has_new_queue.into_inner(), Ordering::SeqCst);
                self.received.notify_one();
            }
        }
    }
}

/// Knows when to begin a round, and which queues there are.
pub(super) struct Triggers<'a> {
    store: &'a Store,
    notifications: &'a QueueNotifications,
    queues: Vec<Class>,
    read_at: Option<Instant>,
}

impl<'a> Triggers<'a> {
    pub(super) fn new(store: &'a Store, notifications: &'a QueueNotifications) -> Self {
        Self {
            store,
            notifications,
            queues: vec![Class::of(None)],
            read_at: None,
        }
    }

    /// Waits until a round may find something. While no worker waits, only the arrival of one begins a round: it looks at
    /// all queues, so no notice is needed meanwhile.
    pub(super) async fn wait(&self, wait_queue: &WaitQueue) {
        if wait_queue.is_empty() {
            return wait_queue.arrived.notified().await;
        }
        let local_notify = self.store.tasks.wakeup().local_notify();
        tokio::select! {
            () = wait_queue.arrived.notified() => {}
            () = local_notify.notified() => {}
            () = self.notifications.received.notified() => {}
            () = sleep(ROUND_EVERY) => {}
        }
    }

    /// The queues there are.
    pub(super) async fn queues(&mut self) -> &[Class] {
        let is_new = self
            .notifications
            .has_new_queue
            .swap(false, Ordering::SeqCst);
        let is_old = self
            .read_at
            .is_none_or(|read| read.elapsed() > QUEUES_EVERY);
        if is_new || is_old {
            match self.store.tasks.classes().await {
                Ok(queues) => {
                    self.queues = queues;
                    self.read_at = Some(Instant::now());
                }
                Err(error) => {
                    self.notifications
                        .has_new_queue
                        .fetch_or(is_new, Ordering::SeqCst);
                    tracing::debug!(%error, "the queues known before are looked into");
                }
            }
        }
        &self.queues
    }
}
