//! The store as the task backend of a worker of this process. Output of programs reaches the store without secrets, as do
//! requests over the wire.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost_types::Timestamp;
use shim_proto::coordination::v1::{Task, TaskError, TaskResult, Usage, Worker};
use shim_proto::fitness::HoldCause;
use shim_runtime::ids::{Epoch, LeaseToken, TaskId};
use shim_runtime::{redact, trace};
use shim_store::registry::Heartbeat;
use shim_store::tasks::{Claimed, ProgressReport};
use shim_store::{Error, IdempotencyKey, Store};
use shim_work::spans::job_context;
use shim_work::{
    AttemptFailure, BackendError, ClaimRef, ClaimedTask, HeartbeatStatus, ProgressUpdate,
    TaskBackend,
};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::slots::{ClaimSlot, ClaimSlots};
use crate::checkpointing::Checkpointer;
use crate::distributor::Distributor;

pub(super) struct RedisTaskBackend {
    store: Store,
    distributor: Distributor,
    checkpointer: Checkpointer,
    registered: Mutex<Worker>,
    /// Held while the worker is registered anew, so that it is registered once.
    registering: AsyncMutex<()>,
    slots: ClaimSlots,
    /// The slot of the last claim if its answer was lost: the claim may have occupied it.
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

    /// Registers the worker anew after the registry gave up this epoch of it, or forgot it.
    async fn register_again(&self, epoch: Epoch) -> Result<(), Error> {
        let _registering = self.registering.lock().await;
        let worker = self.registered();
        if Epoch(worker.epoch) != epoch {
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

    /// A claim for a free slot, or the earlier claim whose answer was lost.
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
            Ok(Some(claimed)) => self.slots.occupy(&slot, claimed.lease),
            Ok(None) => {}
            Err(_) => *locked(&self.unanswered) = Some(slot),
        }
        answer
    }

    /// Frees what belongs to a claim that is over.
    async fn free_slot(&self, claim_ref: &ClaimRef) {
        self.slots.free(claim_ref.lease);
        self.checkpointer.finish(claim_ref).await;
    }

    /// Interprets the store's answer to a call that ends a claim.
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

    /// Interprets the store's answer to a call about a claim that goes on.
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

/// The reference of a claim, whose task has an id of the store's.
fn claim_ref(claimed: &Claimed) -> Result<ClaimRef, Error> {
    let task_id: TaskId = claimed.task.task_id.parse().map_err(|_| {
        tracing::error!(task = claimed.task.task_id, "the store holds no such id");
        Error::Defect
    })?;
    Ok(ClaimRef {
        task_id,
        lease: claimed.lease,
    })
}

/// A reference as the store takes it.
fn wire(claim_ref: &ClaimRef) -> (String, LeaseToken) {
    (claim_ref.task_id.into(), claim_ref.lease)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key of a call that ends a claim, the same for each repetition. A client's request id holds no space.
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
    let lines = [
        &mut result.artifacts,
        &mut result.denials,
        &mut result.remarks,
    ];
    lines.into_iter().flatten().for_each(redact::string);
    result
}

/// Only a call that may succeed another time is worth repeating.
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
                let again = self.register_again(Epoch(worker.epoch));
                again.await.map_err(backend_error)?;
                return Ok(None);
            }
            Err(error) => return Err(backend_error(error)),
        };
        let Some(claimed) = claimed else {
            return Ok(None);
        };
        let claim_ref = claim_ref(&claimed).map_err(backend_error)?;
        let handover = self.checkpointer.handover(&claimed.task, claim_ref.lease);
        let resume = match job_context(&claimed.task) {
            Some(job_context) => trace::scope(job_context, handover).await,
            None => handover.await,
        };
        Ok(Some(ClaimedTask {
            claim_ref,
            task: claimed.task,
            resume,
        }))
    }

    async fn report(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> Result<(), BackendError> {
        let checkpoint_id = match update.checkpoint_id {
            Some(id) => Some(id),
            None => self.checkpointer.save_if_due(claim_ref, update).await,
        };
        let report = ProgressReport {
            progress: update.progress.unwrap_or_default(),
            note: redact::text(update.note.as_deref().unwrap_or_default()).into_owned(),
            checkpoint_id: checkpoint_id.map(String::from).unwrap_or_default(),
            usage: update.usage,
        };
        let (task_id, lease) = wire(claim_ref);
        let answer = self.store.tasks.report(&task_id, lease, &report).await;
        self.after_report(claim_ref, answer.map(drop)).await
    }

    async fn confirm(&self, claim_ref: &ClaimRef) -> Result<(), BackendError> {
        let (task_id, lease) = wire(claim_ref);
        let confirmed = self.store.tasks.confirm(&task_id, lease).await;
        self.after_report(claim_ref, confirmed).await
    }

    async fn report_stuck(
        &self,
        claim_ref: &ClaimRef,
        silent: Duration,
    ) -> Result<(), BackendError> {
        // The supervisor reports it to people, by the missing reports.
        tracing::warn!(
            task = %claim_ref.task_id,
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
        let (task_id, lease) = wire(claim_ref);
        let tasks = &self.store.tasks;
        let completing = tasks.complete(&idempotency_key, &task_id, lease, result, usage);
        self.after_end(claim_ref, completing.await).await
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
        let (task_id, lease) = wire(claim_ref);
        let tasks = &self.store.tasks;
        let failing = tasks.fail(&idempotency_key, &task_id, lease, error, is_final, usage);
        self.after_end(claim_ref, failing.await).await
    }

    async fn release(&self, claim_ref: &ClaimRef, reason: &str) -> Result<(), BackendError> {
        let idempotency_key = idempotency_key(claim_ref, "release");
        let (task_id, lease) = wire(claim_ref);
        let (tasks, reason) = (&self.store.tasks, redact::text(reason));
        let releasing = tasks.release(&idempotency_key, &task_id, lease, &reason);
        self.after_end(claim_ref, releasing.await).await
    }

    async fn hold(
        &self,
        claim_ref: &ClaimRef,
        reason: &str,
        cause: HoldCause,
    ) -> Result<(), BackendError> {
        let idempotency_key = idempotency_key(claim_ref, "hold");
        let (task_id, lease) = wire(claim_ref);
        let (tasks, reason) = (&self.store.tasks, redact::text(reason));
        let holding = tasks.hold(&idempotency_key, &task_id, lease, &reason, cause);
        self.after_end(claim_ref, holding.await).await
    }

    async fn heartbeat(&self, heartbeat: &HeartbeatStatus) {
        let worker = self.registered();
        let epoch = worker.epoch;
        let Ok(worker_id) = worker.worker_id.parse() else {
            return;
        };
        let heartbeat = Heartbeat {
            worker_id,
            epoch: Epoch(epoch),
            running: heartbeat.running,
            state: heartbeat.state,
            health: heartbeat.health,
            detail: redact::text(&heartbeat.detail).into_owned(),
            unfit_until: heartbeat.unfit_until.map(Timestamp::from),
        };
        let dead_after = self.store.registry_config().dead_after;
        let answer = match self.store.registry.heartbeat(&heartbeat, dead_after).await {
            Ok(_) => Ok(()),
            Err(Error::StaleWorker { .. } | Error::WorkerNotFound(_)) => {
                self.register_again(Epoch(epoch)).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = answer {
            tracing::debug!(%error, "a heartbeat was not heard");
        }
    }

    async fn deregister(&self, reason: &str) {
        let worker = self.registered();
        let Ok(worker_id) = worker.worker_id.parse() else {
            return;
        };
        let registry = &self.store.registry;
        let left = registry
            .deregister(
                &IdempotencyKey::fresh(),
                worker_id,
                Epoch(worker.epoch),
                &redact::text(reason),
            )
            .await;
        if let Err(error) = left {
            tracing::debug!(%error, "a worker left unheard");
        }
    }
}
