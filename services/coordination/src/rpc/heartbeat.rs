//! Heartbeat: the worker lives, and how it is.

use shim_proto::coordination::v1::{HeartbeatRequest, HeartbeatResponse};
use shim_store::timestamp;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::worker_fields::MAX_DETAIL_BYTES;

pub(super) async fn handle(
    api: &Api,
    mut request: HeartbeatRequest,
) -> Result<HeartbeatResponse, Status> {
    let mut fields = Fields::default();
    request.worker_id = fields.worker_id(&request.worker_id);
    fields.epoch(request.epoch);
    fields.task_count("running", request.running);
    fields.reported_state(request.state);
    request.health = fields.health(request.health).into();
    fields.text("detail", &request.detail, MAX_DETAIL_BYTES);
    fields.finish()?;

    let registry = &api.store.registry;
    let due = registry
        .heartbeat(&request, api.registry_config.dead_after)
        .await?;
    Ok(HeartbeatResponse {
        due_at: Some(timestamp(due)),
    })
}
