//! CancelTask: cancels a task with its subtasks and the tasks that depend on it.

use shim_proto::coordination::v1::{CancelTaskRequest, CancelTaskResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: CancelTaskRequest,
) -> Result<CancelTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id = fields.task_id(&request.task_id).to_string();
    fields.reason(&request.reason);
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let tasks = &api.store.tasks;
    let (task, cancelled) = tasks
        .cancel(&idempotency_key, &task_id, &request.reason)
        .await?;
    Ok(CancelTaskResponse {
        task: Some(task),
        cancelled,
    })
}
