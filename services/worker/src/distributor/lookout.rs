//! What the distributor looks out for: tasks that became ready, queues that are new.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shim_store::tasks::Class;
use shim_store::{Listener, Store, Topic};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often it looks though nothing was heard; publications may miss.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the list of queues is read though nobody told of a new one.
const QUEUES_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Lookout {
    store: Store,
    ear: Option<Listener>,
    queues: Vec<Class>,
    read_at: Option<Instant>,
    /// A queue was told of that may be new.
    is_outdated: bool,
}

impl Lookout {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            ear: None,
            queues: vec![Class::of(None)],
            read_at: None,
            is_outdated: false,
        }
    }

    /// Waits until a look may find something.
    pub(super) async fn until_something_happens(&mut self, arrived: &Notify) {
        if self.ear.is_none() {
            let topic = Topic::Channel(self.store.tasks.wakeup().channel().to_owned());
            self.ear = self.store.ear.listen(topic).await.ok();
        }
        let here = self.store.tasks.wakeup().here();
        let is_new = AtomicBool::new(false);
        let heard = async {
            let Some(ear) = &mut self.ear else {
                return std::future::pending().await;
            };
            ear.until(|news| {
                is_new.fetch_or(news.data.contains_key("queue"), Ordering::Relaxed);
                true
            })
            .await;
        };
        tokio::select! {
            () = arrived.notified() => {}
            () = here.notified() => {}
            () = heard => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        self.is_outdated |= is_new.into_inner();
    }

    /// The queues there are.
    pub(super) async fn queues(&mut self) -> &[Class] {
        let is_old = self
            .read_at
            .is_none_or(|read| read.elapsed() > QUEUES_EVERY);
        if is_old || std::mem::take(&mut self.is_outdated) {
            match self.store.tasks.classes().await {
                Ok(queues) => {
                    self.queues = queues;
                    self.read_at = Some(Instant::now());
                }
                Err(error) => tracing::debug!(%error, "the queues known before are looked into"),
            }
        }
        &self.queues
    }
}
