//! StartWorker: starts a worker with an executor from the configuration.

use shim_proto::limits::worker::{
    MAX_CAPABILITIES, MAX_CAPABILITY_BYTES, MAX_NAME_BYTES, MAX_STARTED_CAPACITY,
};
use shim_proto::worker::v1::{StartWorkerRequest, StartWorkerResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::pool::StartOptions;

pub(super) async fn handle(
    api: &Api,
    request: StartWorkerRequest,
) -> Result<StartWorkerResponse, Status> {
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    fields.required_line("executor", &request.executor, MAX_NAME_BYTES);
    fields.line("name", &request.name, MAX_NAME_BYTES);
    if fields.list("capabilities", request.capabilities.len(), MAX_CAPABILITIES) {
        for (i, capability) in request.capabilities.iter().enumerate() {
            let field = format!("capabilities[{i}]");
            fields.name(field, capability, MAX_CAPABILITY_BYTES);
        }
    }
    fields.at_most("capacity", request.capacity.into(), MAX_STARTED_CAPACITY);
    fields.finish()?;

    let start = StartOptions {
        executor: request.executor,
        name: request.name,
        capabilities: request.capabilities,
        capacity: request.capacity,
    };
    let worker = api.pool.start(&idempotency_key, start).await?;
    Ok(StartWorkerResponse {
        worker: Some(worker),
    })
}
