//! RegisterWorker: adds a worker to the registry, or replaces its older incarnation.

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::{RegisterWorkerRequest, RegisterWorkerResponse, Worker};
use shim_proto::limits::worker::{MAX_NAME_BYTES, MAX_NODE_BYTES, MAX_VERSION_BYTES};
use shim_runtime::ids::{SessionId, WorkerId};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: RegisterWorkerRequest,
) -> Result<RegisterWorkerResponse, Status> {
    // The key does not cover a generated id, so a repeated request gets the id of the first one.
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let worker = decode(request)?;

    api.attention.wake();
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
    let worker_id = fields.optional_id::<WorkerId>("worker_id", &request.worker_id);
    fields.line("name", &request.name, MAX_NAME_BYTES);
    fields.worker_kind(request.kind);
    let capabilities = fields.capabilities(request.capabilities);
    fields.task_count("capacity", request.capacity);
    fields.line("node", &request.node, MAX_NODE_BYTES);
    fields.line("version", &request.version, MAX_VERSION_BYTES);
    fields.processes(request.processes.as_ref());
    let session_id = fields.optional_id::<SessionId>("session_id", &request.session_id);
    fields.finish()?;

    Ok(Worker {
        worker_id: worker_id.unwrap_or_default().to_string(),
        name: request.name,
        kind: request.kind,
        capabilities,
        capacity: request.capacity.max(1),
        node: request.node,
        version: request.version,
        session_id: session_id.map(String::from).unwrap_or_default(),
        processes: request.processes,
        ..Default::default()
    })
}
