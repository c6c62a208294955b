//! A registered worker as the store knows a claimer.

use shim_proto::coordination::v1::Worker;
use shim_runtime::ids::Epoch;
use shim_store::tasks::Claimer;
use shim_store::{Error, IdempotencyKey};

/// # Errors
/// `WorkerNotFound` if the worker's id is none: no registry gave it.
pub(super) fn claimer(worker: &Worker, idempotency_key: IdempotencyKey) -> Result<Claimer, Error> {
    let worker_id = worker.worker_id.parse();
    Ok(Claimer {
        worker_id: worker_id.map_err(|_| Error::WorkerNotFound(worker.worker_id.clone()))?,
        epoch: Epoch(worker.epoch),
        kind: worker.kind(),
        session_id: worker.session_id.parse().ok(),
        capacity: worker.capacity,
        idempotency_key: Some(idempotency_key),
    })
}
