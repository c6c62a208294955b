//! Heartbeat: a worker reports that it lives, with its state and health.

use shim_proto::coordination::v1::{HeartbeatRequest, HeartbeatResponse};
use shim_proto::limits::worker::MAX_DETAIL_BYTES;
use shim_store::registry::Heartbeat;
use shim_store::timestamp;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: HeartbeatRequest,
) -> Result<HeartbeatResponse, Status> {
    let mut fields = Fields::default();
    let worker_id = fields.worker_id(&request.worker_id);
    let epoch = fields.epoch(request.epoch);
    fields.task_count("running", request.running);
    let state = fields.reported_state(request.state);
    let health = fields.health(request.health);
    fields.text("detail", &request.detail, MAX_DETAIL_BYTES);
    fields.unfit_until(request.unfit_until.as_ref(), health);
    fields.finish()?;

    let heartbeat = Heartbeat {
        worker_id,
        epoch,
        running: request.running,
        state,
        health,
        detail: request.detail,
        unfit_until: request.unfit_until,
    };
    let registry = &api.store.registry;
    let due = registry
        .heartbeat(&heartbeat, api.registry_config.dead_after)
        .await?;
    Ok(HeartbeatResponse {
        due_at: Some(timestamp(due)),
    })
}
