//! RetryTask: makes a failed or cancelled task, and what failed with it, ready again.

use shim_proto::coordination::v1::{RetryTaskRequest, RetryTaskResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: RetryTaskRequest,
) -> Result<RetryTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id = fields.task_id(&request.task_id).to_string();
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    let (task, retried) = api.store.tasks.retry(&idempotency_key, &task_id).await?;
    Ok(RetryTaskResponse {
        task: Some(task),
        retried,
    })
}
