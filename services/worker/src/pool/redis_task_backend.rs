//! The store as a worker of this process meets it. What programs say reaches it without their secrets, as what comes
//! over the wire does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_proto::coordination::v1::{HeartbeatRequest, Task, TaskError, TaskResult, Usage, Worker};
use shim_runtime::ids::LeaseToken;
use shim_runtime::{redact, trace};
use shim_store::tasks::{Claimed, ProgressReport};
use shim_store::{Error, IdempotencyKey, Store};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::slots::{ClaimSlot, ClaimSlots};
use crate::checkpointing::Checkpointer;
use crate::distributor::Distributor;
use crate::executor::{AttemptFailure, ClaimedTask, ProgressUpdate};
use crate::run_loop::{BackendError, ClaimRef, HeartbeatStatus, TaskBackend};
use crate::spans;

pub(super) struct RedisTaskBackend {
    store: Store,
    distributor: Distributor,
    checkpointer: Checkpointer,
    registered: Mutex<Worker>,
    /// Held while the worker is registered anew.
    registering: AsyncMutex<()>,
    slots: ClaimSlots,
    /// Where the answer to the last claim was lost: somebody may sit there.
    unanswered: Mutex<Option<ClaimSlot>>,
}

impl RedisTaskBackend {
    pub(super) fn new(
        store: Store,
        distributor: Distributor,
        checkpointer: Checkpointer,
        registered: Worker,
    ) -> Self {
        Self {
            store,
            distributor,
            checkpointer,
            slots: ClaimSlots::new(registered.capacity),
            registered: Mutex::new(registered),
            registering: AsyncMutex::new(()),
            unanswered: Mutex::default(),
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
        let dead_after = self.store.registry_config().dead_after;
        let registry = &self.store.registry;
        let again = registry
            .register(&IdempotencyKey::fresh(), worker, dead_after)
            .await?;
        tracing::info!(worker = again.worker_id, "a worker was registered anew");
        *locked(&self.registered) = again;
        Ok(())
    }

    /// A claim, or the one made before whose answer was lost.
    async fn claim_slot(
        &self,
        worker: &Worker,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claimed>, Error> {
        let unanswered = locked(&self.unanswered).take();
        let is_unanswered = unanswered.is_some();
        let Some(slot) = unanswered.or_else(|| self.slots.next_free(worker)) else {
            return Err(Error::NoRoom(worker.worker_id.clone()));
        };
        let claiming = async {
            if is_unanswered {
                let before = self
                    .distributor
                    .claimed_before(worker, slot.idempotency_key.clone());
                if let Some(before) = before.await? {
                    return Ok(Some(before));
                }
            }
            let idempotency_key = slot.idempotency_key.clone();
            self.distributor
                .claim_until(worker, idempotency_key, wait, stop)
                .await
        };
        let answer = claiming.await;
        match &answer {
            Ok(Some(claimed)) => self.slots.occupy(&slot, claimed.lease.0),
            Ok(None) => {}
            Err(_) => *locked(&self.unanswered) = Some(slot),
        }
        answer
    }

    /// A claim is over, as the store says or as it will find out.
    async fn free_slot(&self, claim_ref: &ClaimRef) {
        self.slots.free(claim_ref.lease);
        self.checkpointer.finish(claim_ref).await;
    }

    /// What became of something that ends a claim.
    async fn after_end(
        &self,
        claim_ref: &ClaimRef,
        answer: Result<Task, Error>,
    ) -> Result<(), BackendError> {
        let answer = answer.map(drop).map_err(backend_error);
        if matches!(answer, Ok(()) | Err(BackendError::Stale(_))) {
            self.free_slot(claim_ref).await;
        }
        answer
    }

    /// What became of something said about a claim that goes on.
    async fn after_report(
        &self,
        claim_ref: &ClaimRef,
        answer: Result<(), Error>,
    ) -> Result<(), BackendError> {
        let answer = answer.map_err(backend_error);
        if let Err(BackendError::Stale(_)) = answer {
            self.free_slot(claim_ref).await;
        }
        answer
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same words have one effect: what ends a claim can be said once. No client's request has a space in its id.
fn idempotency_key(claim_ref: &ClaimRef, what: &str) -> IdempotencyKey {
    IdempotencyKey {
        request_id: format!("{what} {} {}", claim_ref.task_id, claim_ref.lease),
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
fn backend_error(error: Error) -> BackendError {
    match error {
        Error::StaleLease { .. } | Error::TaskNotFound(_) => BackendError::Stale(error.to_string()),
        Error::NoRedis
        | Error::Unavailable(_)
        | Error::Full
        | Error::Overloaded
        | Error::Queue(_)
        | Error::NoRoom(_)
        | Error::Stopping => BackendError::Unavailable(error.to_string()),
        other => BackendError::Invalid(other.to_string()),
    }
}

impl TaskBackend for RedisTaskBackend {
    async fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<ClaimedTask>, BackendError> {
        let worker = self.registered();
        let claimed = match self.claim_slot(&worker, wait, stop).await {
            Ok(claimed) => claimed,
            Err(Error::StaleWorker { .. }) => {
                let again = self.register_again(worker.epoch);
                again.await.map_err(backend_error)?;
                return Ok(None);
            }
            Err(error) => return Err(backend_error(error)),
        };
        let Some(claimed) = claimed else {
            return Ok(None);
        };
        let handover = self.checkpointer.handover(&claimed.task, claimed.lease.0);
        let resume = match spans::job_context(&claimed.task) {
            Some(job_context) => trace::scope(job_context, handover).await,
            None => handover.await,
        };
        Ok(Some(ClaimedTask {
            task: claimed.task,
            lease: claimed.lease.0,
            resume,
        }))
    }

    async fn report(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> Result<(), BackendError> {
        let checkpoint = match &update.checkpoint_id {
            Some(id) => Some(id.clone()),
            None => self.checkpointer.save_if_due(claim_ref, update).await,
        };
        let report = ProgressReport {
            progress: update.progress.unwrap_or_default(),
            note: redact::text(update.note.as_deref().unwrap_or_default()).into_owned(),
            checkpoint_id: checkpoint.unwrap_or_default(),
            usage: update.usage,
        };
        let answer = self
            .store
            .tasks
            .report(&claim_ref.task_id, LeaseToken(claim_ref.lease), &report)
            .await;
        self.after_report(claim_ref, answer.map(drop)).await
    }

    async fn confirm(&self, claim_ref: &ClaimRef) -> Result<(), BackendError> {
        let confirmed = self
            .store
            .tasks
            .confirm(&claim_ref.task_id, LeaseToken(claim_ref.lease))
            .await;
        self.after_report(claim_ref, confirmed).await
    }

    async fn report_stuck(
        &self,
        claim_ref: &ClaimRef,
        silent: Duration,
    ) -> Result<(), BackendError> {
        // The supervisor tells people, by the reports that do not come.
        tracing::warn!(
            task = claim_ref.task_id,
            ?silent,
            "a task makes no progress"
        );
        self.confirm(claim_ref).await
    }

    async fn complete(
        &self,
        claim_ref: &ClaimRef,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<(), BackendError> {
        let idempotency_key = idempotency_key(claim_ref, "complete");
        let result = &without_secrets(result);
        let tasks = &self.store.tasks;
        let done = tasks
            .complete(
                &idempotency_key,
                &claim_ref.task_id,
                LeaseToken(claim_ref.lease),
                result,
                usage,
            )
            .await;
        self.after_end(claim_ref, done).await
    }

    async fn fail(
        &self,
        claim_ref: &ClaimRef,
        failure: &AttemptFailure,
        usage: &Usage,
    ) -> Result<(), BackendError> {
        let idempotency_key = idempotency_key(claim_ref, "fail");
        let error = &TaskError {
            message: redact::text(&failure.error.message).into_owned(),
            ..failure.error.clone()
        };
        let is_final = failure.is_final;
        let tasks = &self.store.tasks;
        let answer = tasks
            .fail(
                &idempotency_key,
                &claim_ref.task_id,
                LeaseToken(claim_ref.lease),
                error,
                is_final,
                usage,
            )
            .await;
        self.after_end(claim_ref, answer).await
    }

    async fn release(&self, claim_ref: &ClaimRef, reason: &str) -> Result<(), BackendError> {
        let idempotency_key = idempotency_key(claim_ref, "release");
        let answer = self
            .store
            .tasks
            .release(
                &idempotency_key,
                &claim_ref.task_id,
                LeaseToken(claim_ref.lease),
                &redact::text(reason),
            )
            .await;
        self.after_end(claim_ref, answer).await
    }

    async fn heartbeat(&self, heartbeat: &HeartbeatStatus) {
        let worker = self.registered();
        let epoch = worker.epoch;
        let heartbeat = HeartbeatRequest {
            worker_id: worker.worker_id,
            epoch,
            running: heartbeat.running,
            state: heartbeat.state.into(),
            health: heartbeat.health.into(),
            detail: redact::text(&heartbeat.detail).into_owned(),
        };
        let dead_after = self.store.registry_config().dead_after;
        let answer = match self.store.registry.heartbeat(&heartbeat, dead_after).await {
            Ok(_) => Ok(()),
            Err(Error::StaleWorker { .. } | Error::WorkerNotFound(_)) => {
                self.register_again(epoch).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = answer {
            tracing::debug!(%error, "a heartbeat was not heard");
        }
    }

    async fn deregister(&self, reason: &str) {
        let worker = self.registered();
        let registry = &self.store.registry;
        let left = registry
            .deregister(
                &IdempotencyKey::fresh(),
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
