//! Whether there is anything to supervise: a worker that lives, a job that has not ended, a message that is owed.
//!
//! While there is nothing, the reaper and the supervisor hold no lock and ask Redis nothing. What begins work tells so: a
//! call of this process by [`Attention::wake`], another process by its publication. A look every few seconds finds what
//! neither told, and once a minute there is a short round of supervision for what only age brings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use shim_runtime::lifecycle::Shutdown;
use shim_store::registry::CHANNELS;
use shim_store::{Error, Store, Topic};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

/// The time between two looks while something is supervised.
const LOOK_WHILE_NEEDED: Duration = Duration::from_secs(1);
/// The time between two looks while nothing is: how late work is supervised that nobody told of.
const LOOK_AT_REST: Duration = Duration::from_secs(3);
/// How long supervision goes on after the last sign of work.
const STAYS: Duration = Duration::from_secs(5);
/// The time between two rounds without a sign of work: finished jobs and workers that left are forgotten by age.
const ROUND_EVERY: Duration = Duration::from_secs(60);
/// How long such a round takes: some sweeps.
const ROUND_TAKES: Duration = Duration::from_secs(1);
/// The pause before a failed subscription is tried again.
const RESUBSCRIBE_AFTER: Duration = Duration::from_secs(1);

/// Whether supervision is needed. Clones tell the same.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    is_needed: watch::Sender<bool>,
    woken: Arc<Notify>,
    /// Set by `wake` until the next look.
    has_work: Arc<AtomicBool>,
}

impl Attention {
    /// Needed, until a look finds that it is not.
    pub(crate) fn new() -> Self {
        Self {
            is_needed: watch::Sender::new(true),
            woken: Arc::default(),
            has_work: Arc::default(),
        }
    }

    /// Work begins: supervision is needed from now on.
    pub(crate) fn wake(&self) {
        self.has_work.store(true, Ordering::Release);
        self.set(true);
        self.woken.notify_one();
    }

    /// Waits until supervision is needed.
    pub(crate) async fn needed(&self) {
        self.wait_for(true).await;
    }

    /// Waits until supervision is not needed.
    pub(crate) async fn not_needed(&self) {
        self.wait_for(false).await;
    }

    async fn wait_for(&self, wanted: bool) {
        // The sender lives as long as this does, so waiting cannot fail.
        let mut is_needed = self.is_needed.subscribe();
        let _ = is_needed.wait_for(|is_needed| *is_needed == wanted).await;
    }

    fn set(&self, is_needed: bool) {
        self.is_needed
            .send_if_modified(|was| std::mem::replace(was, is_needed) != is_needed);
    }

    /// Looks until the shutdown.
    pub(crate) async fn run(self, store: Store, shutdown: Shutdown) {
        let channels = [
            store.tasks.wakeup().channel().to_owned(),
            store.keys.channel(&format!("{CHANNELS}registered")),
        ];
        let listen = join_all(channels.map(|channel| self.listen(&store, channel)));
        tokio::select! {
            () = self.look_on(&store) => {}
            _ = listen => {}
            () = shutdown.wait() => {}
        }
    }

    async fn look_on(&self, store: &Store) {
        let mut needed_until = Instant::now() + STAYS;
        let mut next_round = Instant::now() + ROUND_EVERY;
        loop {
            let was_told = self.has_work.swap(false, Ordering::AcqRel);
            let now = Instant::now();
            if was_told || !is_at_rest(store).await {
                needed_until = now + STAYS;
            } else if now >= next_round {
                needed_until = needed_until.max(now + ROUND_TAKES);
                next_round = now + ROUND_EVERY;
            }
            let is_needed = now < needed_until;
            // What was told since the look counts.
            self.set(is_needed || self.has_work.load(Ordering::Acquire));
            let pause = if is_needed {
                LOOK_WHILE_NEEDED
            } else {
                LOOK_AT_REST
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.woken.notified() => {}
            }
        }
    }

    /// Wakes with every publication on a channel.
    async fn listen(&self, store: &Store, channel: String) {
        loop {
            match store
                .pubsub
                .subscribe(Topic::Channel(channel.clone()))
                .await
            {
                Ok(mut subscription) => loop {
                    subscription.wait_for(|_| true).await;
                    self.wake();
                },
                Err(Error::NoRedis) => return std::future::pending().await,
                Err(_) => sleep(RESUBSCRIBE_AFTER).await,
            }
        }
    }
}

/// Whether nothing lives that time, a death or another program could change. A store that does not answer may hold something.
async fn is_at_rest(store: &Store) -> bool {
    matches!(look(store).await, Ok(true))
}

async fn look(store: &Store) -> Result<bool, Error> {
    let (living, tasks) = tokio::join!(store.registry.count_living(), store.tasks.is_at_rest());
    if living? > 0 || !tasks? {
        return Ok(false);
    }
    let classes = store.tasks.classes().await?;
    let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
    Ok(store.tasks.with_unread_events(&names).await?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_work_is_woken_by_it() {
        let attention = Attention::new();
        attention.needed().await;
        attention.set(false);
        attention.not_needed().await;
        let waiting = tokio::spawn({
            let attention = attention.clone();
            async move { attention.needed().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        attention.wake();
        assert!(waiting.await.is_ok());
        assert!(attention.has_work.load(Ordering::Acquire));
    }
}
