//! FailTask: ends an attempt as failed; the task is tried again if attempts are left.

use shim_proto::worker::v1::{FailTaskRequest, FailTaskResponse};
use shim_runtime::ids::TaskId;
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::spans;

pub(super) async fn handle(
    api: &Api,
    request: FailTaskRequest,
) -> Result<FailTaskResponse, Status> {
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id: TaskId = fields.id("task_id", &request.task_id);
    let lease = fields.lease(request.lease);
    let error = fields.error(request.error);
    let usage = fields.usage(request.usage.as_ref());
    fields.finish()?;

    let (task_id, is_final) = (task_id.to_string(), request.r#final);
    let tasks = &api.store.tasks;
    let end = tasks.fail(&idempotency_key, &task_id, lease, &error, is_final, &usage);
    let task = spans::settling(end).await?;
    Ok(FailTaskResponse { task: Some(task) })
}
