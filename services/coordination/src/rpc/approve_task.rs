//! ApproveTask: decides at the gate where a task waits.

use shim_proto::coordination::v1::{ApproveTaskRequest, ApproveTaskResponse};
use shim_store::Once;
use tonic::Status;

use super::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ApproveTaskRequest,
) -> Result<ApproveTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id = fields.task_id(&request.task_id);
    fields.why(&request.reason);
    fields.finish()?;

    let once = Once::of(&request.request_id, &request);
    let tasks = &api.store.tasks;
    let task = tasks
        .approve(&once, &task_id, request.reject, &request.reason)
        .await?;
    Ok(ApproveTaskResponse { task: Some(task) })
}
