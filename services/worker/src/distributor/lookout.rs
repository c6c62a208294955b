//! What the distributor looks out for: tasks that became ready, queues that are new.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shim_store::tasks::Class;
use shim_store::{Error, Store, Topic};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// How often it looks though nothing was heard: publications may miss, and nobody tells when a delay is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the list of queues is read though nobody told of a new one.
const QUEUES_EVERY: Duration = Duration::from_secs(1);
/// How soon it tries to listen again.
const LISTEN_AGAIN: Duration = Duration::from_millis(200);

/// What other processes told.
#[derive(Default)]
pub(super) struct Rumours {
    news: Notify,
    /// There may be a queue that is not known yet.
    names_queue: AtomicBool,
}

impl Rumours {
    /// Listens until it is dropped.
    pub(super) async fn gather(&self, store: &Store) {
        loop {
            let topic = Topic::Channel(store.tasks.wakeup().channel().to_owned());
            let mut ear = match store.ear.listen(topic).await {
                Ok(ear) => ear,
                Err(Error::NoRedis) => return std::future::pending().await,
                Err(_) => {
                    sleep(LISTEN_AGAIN).await;
                    continue;
                }
            };
            loop {
                // What was missed may have named a queue.
                let names_queue = AtomicBool::new(true);
                ear.until(|news| {
                    names_queue.store(news.data.contains_key("queue"), Ordering::Relaxed);
                    true
                })
                .await;
                self.names_queue
                    .fetch_or(names_queue.into_inner(), Ordering::SeqCst);
                self.news.notify_one();
            }
        }
    }
}

/// Knows when to look, and where.
pub(super) struct Lookout<'a> {
    store: &'a Store,
    rumours: &'a Rumours,
    queues: Vec<Class>,
    read_at: Option<Instant>,
}

impl<'a> Lookout<'a> {
    pub(super) fn new(store: &'a Store, rumours: &'a Rumours) -> Self {
        Self {
            store,
            rumours,
            queues: vec![Class::of(None)],
            read_at: None,
        }
    }

    /// Waits until a look may find something.
    pub(super) async fn until_something_happens(&self, arrived: &Notify) {
        let here = self.store.tasks.wakeup().here();
        tokio::select! {
            () = arrived.notified() => {}
            () = here.notified() => {}
            () = self.rumours.news.notified() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }

    /// The queues there are.
    pub(super) async fn queues(&mut self) -> &[Class] {
        let is_new = self.rumours.names_queue.swap(false, Ordering::SeqCst);
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
                    self.rumours.names_queue.fetch_or(is_new, Ordering::SeqCst);
                    tracing::debug!(%error, "the queues known before are looked into");
                }
            }
        }
        &self.queues
    }
}
