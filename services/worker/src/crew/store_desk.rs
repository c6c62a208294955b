//! The store as a worker of this process meets it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{HeartbeatRequest, TaskResult, Usage, Worker};
use shim_store::tasks::Report;
use shim_store::{Error, Once, Store};
use tokio_util::sync::CancellationToken;

use crate::distributor::Distributor;
use crate::executor::{Claim, Failure, News};
use crate::life::{Desk, Held, Refusal, Vitals};
use crate::memory::Memory;

pub(super) struct StoreDesk {
    store: Store,
    distributor: Distributor,
    memory: Memory,
    registered: Mutex<Worker>,
}

impl StoreDesk {
    pub(super) fn new(
        store: Store,
        distributor: Distributor,
        memory: Memory,
        registered: Worker,
    ) -> Self {
        Self {
            store,
            distributor,
            memory,
            registered: Mutex::new(registered),
        }
    }

    /// The worker as it was registered last.
    pub(super) fn registered(&self) -> Worker {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The registry gave the worker up, or forgot it: it begins anew.
    async fn register_again(&self) -> Result<(), Error> {
        let dead_after = self.store.beats().dead_after;
        let again = self
            .store
            .registry
            .register(&Once::anew(), self.registered(), dead_after)
            .await?;
        *self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = again;
        Ok(())
    }
}

/// The same words have one effect: what ends a claim can be said once.
fn once(held: &Held, what: &str) -> Once {
    Once {
        request_id: format!("{what}-{}-{}", held.task_id, held.lease),
        fingerprint: String::new(),
    }
}

fn refused(error: Error) -> Refusal {
    match error {
        Error::StaleLease { .. } | Error::TaskNotFound(_) => Refusal::Stale(error.to_string()),
        Error::RequestIdReused | Error::Defect => Refusal::Invalid(error.to_string()),
        other => Refusal::Away(other.to_string()),
    }
}

impl Desk for StoreDesk {
    async fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claim>, Refusal> {
        let worker = self.registered();
        let claiming = self.distributor.claim_until(&worker, wait, stop);
        let claimed = match claiming.await {
            Ok(claimed) => claimed,
            Err(Error::StaleWorker { .. }) => {
                self.register_again().await.map_err(refused)?;
                return Ok(None);
            }
            Err(error) => return Err(refused(error)),
        };
        let Some(claimed) = claimed else {
            return Ok(None);
        };
        let resume = self.memory.recall(&claimed.task).await;
        Ok(Some(Claim {
            task: claimed.task,
            lease: claimed.lease,
            resume,
        }))
    }

    async fn report(&self, held: &Held, news: &News) -> Result<(), Refusal> {
        let checkpoint = match &news.checkpoint_id {
            Some(id) => Some(id.clone()),
            None => self.memory.remember(held, news).await,
        };
        let report = Report {
            progress: news.progress.unwrap_or_default(),
            note: news.note.clone().unwrap_or_default(),
            checkpoint_id: checkpoint.unwrap_or_default(),
            usage: news.usage,
        };
        let told = self
            .store
            .tasks
            .report(&held.task_id, held.lease, &report)
            .await;
        told.map(drop).map_err(refused)
    }

    async fn confirm(&self, held: &Held) -> Result<(), Refusal> {
        let confirmed = self.store.tasks.confirm(&held.task_id, held.lease).await;
        confirmed.map_err(refused)
    }

    async fn stuck(&self, held: &Held, silent: Duration) -> Result<(), Refusal> {
        // The supervisor tells people, by the reports that do not come.
        tracing::warn!(task = held.task_id, ?silent, "a task makes no progress");
        self.confirm(held).await
    }

    async fn complete(
        &self,
        held: &Held,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<(), Refusal> {
        let once = once(held, "complete");
        let tasks = &self.store.tasks;
        let done = tasks
            .complete(&once, &held.task_id, held.lease, result, usage)
            .await;
        self.memory.forget(held).await;
        done.map(drop).map_err(refused)
    }

    async fn fail(&self, held: &Held, failure: &Failure, usage: &Usage) -> Result<(), Refusal> {
        let once = once(held, "fail");
        let (error, is_final) = (&failure.error, failure.is_final);
        let tasks = &self.store.tasks;
        let told = tasks
            .fail(&once, &held.task_id, held.lease, error, is_final, usage)
            .await;
        self.memory.forget(held).await;
        told.map(drop).map_err(refused)
    }

    async fn release(&self, held: &Held, reason: &str) -> Result<(), Refusal> {
        let once = once(held, "release");
        let told = self
            .store
            .tasks
            .release(&once, &held.task_id, held.lease, reason)
            .await;
        self.memory.forget(held).await;
        told.map(drop).map_err(refused)
    }

    async fn beat(&self, vitals: &Vitals) {
        let worker = self.registered();
        let beat = HeartbeatRequest {
            worker_id: worker.worker_id,
            epoch: worker.epoch,
            running: vitals.running,
            state: vitals.state.into(),
            health: vitals.health.into(),
            detail: vitals.detail.clone(),
        };
        let dead_after = self.store.beats().dead_after;
        let heard = match self.store.registry.heartbeat(&beat, dead_after).await {
            Ok(_) => Ok(()),
            Err(Error::StaleWorker { .. } | Error::WorkerNotFound(_)) => {
                self.register_again().await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "a heartbeat was not heard");
        }
    }

    async fn leave(&self, reason: &str) {
        let worker = self.registered();
        let registry = &self.store.registry;
        let left = registry
            .deregister(&Once::anew(), &worker.worker_id, worker.epoch, reason)
            .await;
        if let Err(error) = left {
            tracing::debug!(%error, "a worker left unheard");
        }
    }
}
