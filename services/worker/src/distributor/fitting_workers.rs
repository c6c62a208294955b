//! How many living workers fit each queue, in any process: what only few can do goes before what many can.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use shim_proto::coordination::v1::{Worker, WorkerState};
use shim_store::Store;
use shim_store::registry::Filter;
use shim_store::tasks::{Class, QueueHead, fits};
use tokio::time::Instant;

/// How old the list of workers may be.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Workers looked at: of a larger crowd these are a sample.
const MAX_WORKERS: u32 = 1_000;

/// The living workers, as the registry knows them.
pub(super) struct FittingWorkers {
    store: Store,
    workers: Vec<Worker>,
    read_at: Option<Instant>,
}

impl FittingWorkers {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            workers: Vec::new(),
            read_at: None,
        }
    }

    /// How many living workers fit each queue in which a task waits; nothing if there is but one such queue, or if the
    /// registry cannot be read.
    pub(super) async fn count(
        &mut self,
        heads: &[QueueHead],
        queues: &[Class],
    ) -> HashMap<String, u32> {
        let names: HashSet<&str> = heads.iter().map(|head| head.queue.as_str()).collect();
        if names.len() < 2 {
            return HashMap::new();
        }
        self.refresh().await;
        let waiting = queues
            .iter()
            .filter(|class| names.contains(class.name.as_str()));
        let counts = waiting.map(|class| (class.name.clone(), self.fitting(class)));
        counts.collect()
    }

    fn fitting(&self, class: &Class) -> u32 {
        let fitting = self.workers.iter().filter(|worker| {
            worker.state() != WorkerState::Draining
                && fits(&class.requirements, worker.kind(), &worker.capabilities)
        });
        u32::try_from(fitting.count()).unwrap_or(u32::MAX)
    }

    async fn refresh(&mut self) {
        if self.read_at.is_some_and(|at| at.elapsed() < READ_EVERY) {
            return;
        }
        let living = Filter::default();
        match self.store.registry.list(&living, None, MAX_WORKERS).await {
            Ok(page) => {
                self.workers = page.workers;
                self.read_at = Some(Instant::now());
            }
            Err(error) => tracing::debug!(%error, "the workers known before count"),
        }
    }
}
