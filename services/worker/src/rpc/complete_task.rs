//! CompleteTask: commits a task's result.

use shim_proto::worker::v1::{CompleteTaskRequest, CompleteTaskResponse};
use shim_runtime::ids::TaskId;
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::spans;

pub(super) async fn handle(
    api: &Api,
    request: CompleteTaskRequest,
) -> Result<CompleteTaskResponse, Status> {
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id: TaskId = fields.id("task_id", &request.task_id);
    let lease = fields.lease(request.lease);
    let result = fields.result(request.result);
    let usage = fields.usage(request.usage.as_ref());
    fields.finish()?;

    let task_id = task_id.to_string();
    let tasks = &api.store.tasks;
    let end = tasks.complete(&idempotency_key, &task_id, lease, &result, &usage);
    let task = spans::settling(end).await?;
    Ok(CompleteTaskResponse { task: Some(task) })
}
