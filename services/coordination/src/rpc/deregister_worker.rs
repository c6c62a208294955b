//! DeregisterWorker: takes a worker that leaves in good order out of the registry.

use shim_proto::coordination::v1::{DeregisterWorkerRequest, DeregisterWorkerResponse};
use shim_proto::limits::worker::MAX_DETAIL_BYTES;
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: DeregisterWorkerRequest,
) -> Result<DeregisterWorkerResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.worker_id(&request.worker_id);
    let epoch = fields.epoch(request.epoch);
    fields.text("reason", &request.reason, MAX_DETAIL_BYTES);
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let registry = &api.store.registry;
    let worker = registry
        .deregister(&idempotency_key, worker_id, epoch, &request.reason)
        .await?;
    Ok(DeregisterWorkerResponse {
        worker: Some(worker),
    })
}
