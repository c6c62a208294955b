//! DeregisterWorker: the worker leaves in good order.

use shim_proto::coordination::v1::{DeregisterWorkerRequest, DeregisterWorkerResponse};
use shim_runtime::ids::Epoch;
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::worker_fields::MAX_DETAIL_BYTES;

pub(super) async fn handle(
    api: &Api,
    request: DeregisterWorkerRequest,
) -> Result<DeregisterWorkerResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.worker_id(&request.worker_id);
    fields.epoch(request.epoch);
    fields.text("reason", &request.reason, MAX_DETAIL_BYTES);
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let epoch = Epoch(request.epoch);
    let registry = &api.store.registry;
    let worker = registry
        .deregister(&idempotency_key, worker_id, epoch, &request.reason)
        .await?;
    Ok(DeregisterWorkerResponse {
        worker: Some(worker),
    })
}
