//! RegisterWorker: makes a worker known, in the place of an older incarnation of it.

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::{RegisterWorkerRequest, RegisterWorkerResponse, Worker};
use shim_store::IdempotencyKey;
use tonic::Status;
use uuid::Uuid;

use super::api::Api;
use super::fields::Fields;
use super::worker_fields::{MAX_NAME_BYTES, MAX_NODE_BYTES, MAX_VERSION_BYTES};

pub(super) async fn handle(
    api: &Api,
    request: RegisterWorkerRequest,
) -> Result<RegisterWorkerResponse, Status> {
    // Before an id is made: the same request sent again gets the id made first.
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let worker = decode(request)?;

    let registry_config = api.registry_config;
    let registry = &api.store.registry;
    let worker = registry
        .register(&idempotency_key, worker, registry_config.dead_after)
        .await?;
    Ok(RegisterWorkerResponse {
        worker: Some(worker),
        heartbeat_interval: ProtoDuration::try_from(registry_config.heartbeat).ok(),
        dead_after: ProtoDuration::try_from(registry_config.dead_after).ok(),
    })
}

fn decode(request: RegisterWorkerRequest) -> Result<Worker, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let worker_id = fields.optional_uuid("worker_id", &request.worker_id);
    fields.text("name", &request.name, MAX_NAME_BYTES);
    fields.worker_kind(request.kind);
    let capabilities = fields.capabilities(request.capabilities);
    fields.task_count("capacity", request.capacity);
    fields.text("node", &request.node, MAX_NODE_BYTES);
    fields.text("version", &request.version, MAX_VERSION_BYTES);
    let session_id = fields.optional_uuid("session_id", &request.session_id);
    fields.finish()?;

    Ok(Worker {
        worker_id: worker_id.unwrap_or_else(Uuid::now_v7).to_string(),
        name: request.name,
        kind: request.kind,
        capabilities,
        capacity: request.capacity.max(1),
        node: request.node,
        version: request.version,
        session_id: session_id.map(|id| id.to_string()).unwrap_or_default(),
        ..Default::default()
    })
}
