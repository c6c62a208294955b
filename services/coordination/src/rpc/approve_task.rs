//! ApproveTask: approves or rejects a task that waits for approval.

use shim_proto::coordination::v1::{ApproveTaskRequest, ApproveTaskResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ApproveTaskRequest,
) -> Result<ApproveTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id = fields.task_id(&request.task_id).to_string();
    fields.reason(&request.reason);
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let tasks = &api.store.tasks;
    let task = tasks
        .approve(&idempotency_key, &task_id, request.reject, &request.reason)
        .await?;
    Ok(ApproveTaskResponse { task: Some(task) })
}
