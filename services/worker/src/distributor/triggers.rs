//! What the distributor looks out for: tasks that became ready, queues that are new.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shim_store::tasks::Class;
use shim_store::{Error, Store, Topic};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// How often it looks though nothing was heard: publications may miss, and nobody tells when a delay is over.
const ROUND_EVERY: Duration = Duration::from_millis(50);
/// How often the list of queues is read though nobody told of a new one.
const QUEUES_EVERY: Duration = Duration::from_secs(1);
/// How soon it tries to listen again.
const LISTEN_BACKOFF: Duration = Duration::from_millis(200);

/// What other processes told.
#[derive(Default)]
pub(super) struct QueueNotifications {
    received: Notify,
    /// There may be a queue that is not known yet.
    has_new_queue: AtomicBool,
}

impl QueueNotifications {
    /// Listens until it is dropped.
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
                // What was missed may have named a queue.
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

/// Knows when to look, and where.
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

    /// Waits until a look may find something.
    pub(super) async fn wait(&self, arrived: &Notify) {
        let local_notify = self.store.tasks.wakeup().local_notify();
        tokio::select! {
            () = arrived.notified() => {}
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
