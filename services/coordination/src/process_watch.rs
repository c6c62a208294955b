//! Watches the processes of the workers on this machine: a worker whose processes are gone is dead at once, however lately
//! it was heard.
//!
//! Every process watches, since each sees only its own machine. (A) A worker is declared dead only if the system says of all
//! its processes that they are gone; whatever cannot be seen is left to the reaper. (B) The store checks epoch and processes,
//! so a worker that registered anew, in whatever process, is untouched. (C) Waiting costs nothing: the kernel tells an end,
//! and publications tell registrations; after one that may have got lost, all living workers are read.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::select_all;
use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_runtime::ids::WorkerId;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process_exit;
use shim_runtime::worker_processes::{Life, life};
use shim_store::registry::CHANNELS;
use shim_store::{Error, Store, Topic, TopicSubscription};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::living_workers::living_workers;
use crate::log_once::LogOnce;

/// The changes that begin or end an incarnation of a worker.
const CHANGES: [&str; 3] = ["registered", "stopped", "dead"];
/// Before a failed reading or declaration is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// Workers that are watched at once, each by one open file; any more are left to the reaper.
const MAX_WATCHED: usize = 4_096;
const WHY: &str = "its process ended";

/// The background task.
pub(crate) struct ProcessWatch {
    store: Store,
    shutdown: Shutdown,
    /// The watched incarnation of each worker.
    watched: HashMap<String, Watched>,
    watches: JoinSet<(String, u64)>,
}

struct Watched {
    epoch: u64,
    watch: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl ProcessWatch {
    pub(crate) fn new(store: Store, shutdown: Shutdown) -> Self {
        Self {
            store,
            shutdown,
            watched: HashMap::new(),
            watches: JoinSet::new(),
        }
    }

    /// Watches until the shutdown.
    pub(crate) async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        let mut log = LogOnce::default();
        let work = async {
            loop {
                match self.follow().await {
                    Err(Error::NoRedis) => return,
                    done => log.record("cannot watch the processes of workers", done),
                }
                sleep(RETRY_AFTER).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = shutdown.wait() => {}
        }
    }

    /// Takes up all living workers, and follows the registry until a publication may have got lost.
    async fn follow(&mut self) -> Result<(), Error> {
        let mut subscriptions = Vec::new();
        for change in CHANGES {
            let channel = self.store.keys.channel(&format!("{CHANNELS}{change}"));
            subscriptions.push(self.store.pubsub.subscribe(Topic::Channel(channel)).await?);
        }
        let mut changes = select_all(subscriptions.into_iter().map(|subscription| {
            let next = |mut subscription: TopicSubscription| async move {
                let worker_id = changed_worker(&mut subscription).await;
                Some((worker_id, subscription))
            };
            Box::pin(futures::stream::unfold(subscription, next))
        }));
        self.take_up(living_workers(&self.store).await?);
        loop {
            tokio::select! {
                Some(changed) = changes.next() => match changed {
                    Some(worker_id) => self.look_at(worker_id).await?,
                    None => return Ok(()),
                },
                Some(ended) = self.watches.join_next() => match ended {
                    Ok((worker_id, epoch)) => self.forget(&worker_id, epoch),
                    Err(error) if error.is_panic() => {
                        tracing::error!(%error, "a watch of a worker's processes broke");
                    }
                    Err(_) => {}
                },
            }
        }
    }

    /// Watches these workers and no others.
    fn take_up(&mut self, living: Vec<Worker>) {
        let epochs: HashMap<_, _> = living
            .iter()
            .map(|worker| (worker.worker_id.as_str(), worker.epoch))
            .collect();
        self.watched
            .retain(|worker_id, watched| epochs.get(worker_id.as_str()) == Some(&watched.epoch));
        for worker in living {
            self.watch(worker);
        }
    }

    async fn look_at(&mut self, worker_id: WorkerId) -> Result<(), Error> {
        let worker = self.store.registry.get(worker_id).await?;
        let is_gone =
            |worker: &Worker| matches!(worker.state(), WorkerState::Stopped | WorkerState::Dead);
        match worker.filter(|worker| !is_gone(worker)) {
            Some(worker) => self.watch(worker),
            None => drop(self.watched.remove(&worker_id.to_string())),
        }
        Ok(())
    }

    fn watch(&mut self, worker: Worker) {
        let (worker_id, epoch) = (worker.worker_id.clone(), worker.epoch);
        let known = self.watched.get(&worker_id);
        if known.is_some_and(|watched| watched.epoch >= epoch) {
            return;
        }
        self.watched.remove(&worker_id);
        if life(&worker) == Life::Unseen || self.watched.len() >= MAX_WATCHED {
            return;
        }
        let watch = self
            .watches
            .spawn(wait_and_declare(self.store.clone(), worker));
        self.watched.insert(worker_id, Watched { epoch, watch });
    }

    fn forget(&mut self, worker_id: &str, epoch: u64) {
        let known = self.watched.get(worker_id);
        if known.is_some_and(|watched| watched.epoch == epoch) {
            self.watched.remove(worker_id);
        }
    }
}

/// The worker of the next change; `None` if changes may have got lost.
async fn changed_worker(subscription: &mut TopicSubscription) -> Option<WorkerId> {
    let publication = subscription.next_publication().await?;
    publication.data.get("worker_id")?.as_str()?.parse().ok()
}

/// Waits until the worker's processes are gone, and declares it dead. Answers which incarnation that was.
async fn wait_and_declare(store: Store, worker: Worker) -> (String, u64) {
    loop {
        match life(&worker) {
            Life::Lives(process) => process_exit::exited(&process).await,
            Life::Gone => break,
            Life::Unseen => return (worker.worker_id, worker.epoch),
        }
    }
    let mut log = LogOnce::default();
    loop {
        match store.registry.declare_dead(&worker, WHY).await {
            Ok(is_dead) => {
                if is_dead {
                    tracing::info!(worker = worker.worker_id, "a worker's processes ended");
                }
                return (worker.worker_id, worker.epoch);
            }
            Err(error) => log.record("cannot declare a worker dead", Err(error)),
        }
        sleep(RETRY_AFTER).await;
    }
}
