//! CancelTask: calls off a task with what hangs on it.

use shim_proto::coordination::v1::{CancelTaskRequest, CancelTaskResponse};
use shim_store::Once;
use tonic::Status;

use super::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: CancelTaskRequest,
) -> Result<CancelTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id = fields.task_id(&request.task_id);
    fields.why(&request.reason);
    fields.finish()?;

    let once = Once::of(&request.request_id, &request);
    let tasks = &api.store.tasks;
    let (task, cancelled) = tasks.cancel(&once, &task_id, &request.reason).await?;
    Ok(CancelTaskResponse {
        task: Some(task),
        cancelled,
    })
}
