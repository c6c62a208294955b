//! ReleaseTask: gives a task back untried.

use shim_proto::worker::v1::{ReleaseTaskRequest, ReleaseTaskResponse};
use shim_runtime::ids::TaskId;
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, MAX_REASON_BYTES};
use crate::spans;

pub(super) async fn handle(
    api: &Api,
    request: ReleaseTaskRequest,
) -> Result<ReleaseTaskResponse, Status> {
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id: TaskId = fields.id("task_id", &request.task_id);
    let lease = fields.lease(request.lease);
    fields.text("reason", &request.reason, MAX_REASON_BYTES);
    fields.finish()?;

    let task_id = task_id.to_string();
    let tasks = &api.store.tasks;
    let end = tasks.release(&idempotency_key, &task_id, lease, &request.reason);
    let task = spans::settling(end).await?;
    Ok(ReleaseTaskResponse { task: Some(task) })
}
