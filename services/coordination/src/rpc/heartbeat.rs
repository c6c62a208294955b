//! Heartbeat: the worker lives, and how it is.

use shim_proto::coordination::v1::{HeartbeatRequest, HeartbeatResponse};
use shim_runtime::ids::Epoch;
use shim_store::registry::Heartbeat;
use shim_store::timestamp;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::worker_fields::MAX_DETAIL_BYTES;

pub(super) async fn handle(
    api: &Api,
    request: HeartbeatRequest,
) -> Result<HeartbeatResponse, Status> {
    let mut fields = Fields::default();
    let worker_id = fields.worker_id(&request.worker_id);
    fields.epoch(request.epoch);
    fields.task_count("running", request.running);
    let state = fields.reported_state(request.state);
    let health = fields.health(request.health);
    fields.text("detail", &request.detail, MAX_DETAIL_BYTES);
    fields.finish()?;

    let beat = Heartbeat {
        worker_id,
        epoch: Epoch(request.epoch),
        running: request.running,
        state,
        health,
        detail: request.detail,
    };
    let registry = &api.store.registry;
    let due = registry
        .heartbeat(&beat, api.registry_config.dead_after)
        .await?;
    Ok(HeartbeatResponse {
        due_at: Some(timestamp(due)),
    })
}
