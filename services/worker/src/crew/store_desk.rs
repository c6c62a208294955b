//! The store as a worker of this process meets it. What programs say reaches it without their secrets, as what comes
//! over the wire does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{HeartbeatRequest, Task, TaskError, TaskResult, Usage, Worker};
use shim_runtime::{redact, trace};
use shim_store::tasks::{Claimed, Report};
use shim_store::{Error, Once, Store};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::seats::{Seat, Seats};
use crate::distributor::Distributor;
use crate::executor::{Claim, Failure, News};
use crate::life::{Desk, Held, Refusal, Vitals};
use crate::memory::Memory;
use crate::spans;

pub(super) struct StoreDesk {
    store: Store,
    distributor: Distributor,
    memory: Memory,
    registered: Mutex<Worker>,
    /// Held while the worker is registered anew.
    registering: AsyncMutex<()>,
    seats: Seats,
    /// Where the answer to the last claim was lost: somebody may sit there.
    unsure: Mutex<Option<Seat>>,
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
            seats: Seats::new(registered.capacity),
            registered: Mutex::new(registered),
            registering: AsyncMutex::new(()),
            unsure: Mutex::default(),
        }
    }

    /// The worker as it was registered last.
    pub(super) fn registered(&self) -> Worker {
        locked(&self.registered).clone()
    }

    /// The registry gave up the worker of this epoch, or forgot it: it begins anew, once.
    async fn register_again(&self, epoch: u64) -> Result<(), Error> {
        let _registering = self.registering.lock().await;
        let worker = self.registered();
        if worker.epoch != epoch {
            return Ok(());
        }
        let dead_after = self.store.beats().dead_after;
        let registry = &self.store.registry;
        let again = registry.register(&Once::anew(), worker, dead_after).await?;
        tracing::info!(worker = again.worker_id, "a worker was registered anew");
        *locked(&self.registered) = again;
        Ok(())
    }

    /// A claim, or the one made before whose answer was lost.
    async fn ask(
        &self,
        worker: &Worker,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claimed>, Error> {
        let unsure = locked(&self.unsure).take();
        let is_unsure = unsure.is_some();
        let Some(seat) = unsure.or_else(|| self.seats.next(worker)) else {
            return Err(Error::NoRoom(worker.worker_id.clone()));
        };
        let asked = async {
            if is_unsure {
                let before = self.distributor.claimed_before(worker, seat.once.clone());
                if let Some(before) = before.await? {
                    return Ok(Some(before));
                }
            }
            let once = seat.once.clone();
            self.distributor.claim_until(worker, once, wait, stop).await
        };
        let answer = asked.await;
        match &answer {
            Ok(Some(claimed)) => self.seats.take(&seat, claimed.lease),
            Ok(None) => {}
            Err(_) => *locked(&self.unsure) = Some(seat),
        }
        answer
    }

    /// A claim is over, as the store says or as it will find out.
    async fn leave_task(&self, held: &Held) {
        self.seats.leave(held.lease);
        self.memory.forget(held).await;
    }

    /// What became of something that ends a claim.
    async fn ended(&self, held: &Held, told: Result<Task, Error>) -> Result<(), Refusal> {
        let told = told.map(drop).map_err(refused);
        if matches!(told, Ok(()) | Err(Refusal::Stale(_))) {
            self.leave_task(held).await;
        }
        told
    }

    /// What became of something said about a claim that goes on.
    async fn said(&self, held: &Held, told: Result<(), Error>) -> Result<(), Refusal> {
        let told = told.map_err(refused);
        if let Err(Refusal::Stale(_)) = told {
            self.leave_task(held).await;
        }
        told
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same words have one effect: what ends a claim can be said once. No client's request has a space in its id.
fn once(held: &Held, what: &str) -> Once {
    Once {
        request_id: format!("{what} {} {}", held.task_id, held.lease),
        fingerprint: String::new(),
    }
}

fn without_secrets(result: &TaskResult) -> TaskResult {
    let mut result = result.clone();
    redact::string(&mut result.text);
    if let Some(data) = &mut result.data {
        redact::data(data);
    }
    result.artifacts.iter_mut().for_each(redact::string);
    result
}

/// Only what may be taken another time is told again.
fn refused(error: Error) -> Refusal {
    match error {
        Error::StaleLease { .. } | Error::TaskNotFound(_) => Refusal::Stale(error.to_string()),
        Error::NoRedis
        | Error::Unavailable(_)
        | Error::Full
        | Error::Overloaded
        | Error::Queue(_)
        | Error::NoRoom(_)
        | Error::Stopping => Refusal::Away(error.to_string()),
        other => Refusal::Invalid(other.to_string()),
    }
}

impl Desk for StoreDesk {
    async fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claim>, Refusal> {
        let worker = self.registered();
        let claimed = match self.ask(&worker, wait, stop).await {
            Ok(claimed) => claimed,
            Err(Error::StaleWorker { .. }) => {
                let again = self.register_again(worker.epoch);
                again.await.map_err(refused)?;
                return Ok(None);
            }
            Err(error) => return Err(refused(error)),
        };
        let Some(claimed) = claimed else {
            return Ok(None);
        };
        let recall = self.memory.recall(&claimed.task, claimed.lease);
        let resume = match spans::place(&claimed.task) {
            Some(place) => trace::scope(place, recall).await,
            None => recall.await,
        };
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
            note: redact::text(news.note.as_deref().unwrap_or_default()).into_owned(),
            checkpoint_id: checkpoint.unwrap_or_default(),
            usage: news.usage,
        };
        let told = self
            .store
            .tasks
            .report(&held.task_id, held.lease, &report)
            .await;
        self.said(held, told.map(drop)).await
    }

    async fn confirm(&self, held: &Held) -> Result<(), Refusal> {
        let confirmed = self.store.tasks.confirm(&held.task_id, held.lease).await;
        self.said(held, confirmed).await
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
        let result = &without_secrets(result);
        let tasks = &self.store.tasks;
        let done = tasks
            .complete(&once, &held.task_id, held.lease, result, usage)
            .await;
        self.ended(held, done).await
    }

    async fn fail(&self, held: &Held, failure: &Failure, usage: &Usage) -> Result<(), Refusal> {
        let once = once(held, "fail");
        let error = &TaskError {
            message: redact::text(&failure.error.message).into_owned(),
            ..failure.error.clone()
        };
        let is_final = failure.is_final;
        let tasks = &self.store.tasks;
        let told = tasks
            .fail(&once, &held.task_id, held.lease, error, is_final, usage)
            .await;
        self.ended(held, told).await
    }

    async fn release(&self, held: &Held, reason: &str) -> Result<(), Refusal> {
        let once = once(held, "release");
        let told = self
            .store
            .tasks
            .release(&once, &held.task_id, held.lease, &redact::text(reason))
            .await;
        self.ended(held, told).await
    }

    async fn beat(&self, vitals: &Vitals) {
        let worker = self.registered();
        let epoch = worker.epoch;
        let beat = HeartbeatRequest {
            worker_id: worker.worker_id,
            epoch,
            running: vitals.running,
            state: vitals.state.into(),
            health: vitals.health.into(),
            detail: redact::text(&vitals.detail).into_owned(),
        };
        let dead_after = self.store.beats().dead_after;
        let heard = match self.store.registry.heartbeat(&beat, dead_after).await {
            Ok(_) => Ok(()),
            Err(Error::StaleWorker { .. } | Error::WorkerNotFound(_)) => {
                self.register_again(epoch).await
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
            .deregister(
                &Once::anew(),
                &worker.worker_id,
                worker.epoch,
                &redact::text(reason),
            )
            .await;
        if let Err(error) = left {
            tracing::debug!(%error, "a worker left unheard");
        }
    }
}
