//! A registered worker as the store knows a claimer.

use shim_proto::coordination::v1::Worker;
use shim_store::IdempotencyKey;
use shim_store::tasks::Claimer;

pub(super) fn claimer(worker: &Worker, idempotency_key: IdempotencyKey) -> Claimer {
    Claimer {
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        kind: worker.kind(),
        session_id: worker.session_id.clone(),
        capacity: worker.capacity,
        idempotency_key: Some(idempotency_key),
    }
}
