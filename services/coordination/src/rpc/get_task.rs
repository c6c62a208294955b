//! GetTask: one task with its result, and its subtasks if the request asks for them.

use shim_proto::coordination::v1::{GetTaskRequest, GetTaskResponse};
use shim_store::Error;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(api: &Api, request: GetTaskRequest) -> Result<GetTaskResponse, Status> {
    let mut fields = Fields::default();
    let task_id = fields.task_id(&request.task_id).to_string();
    fields.finish()?;

    let tasks = &api.store.tasks;
    let task = tasks.get(&task_id).await?;
    let mut task = task.ok_or_else(|| Error::TaskNotFound(task_id.clone()))?;
    tasks.note_holds(std::slice::from_mut(&mut task)).await?;
    let mut subtasks = Vec::new();
    if request.with_subtasks && task.subtasks.is_some() {
        let job = tasks.job(&task_id, false).await?;
        subtasks = job.map(|job| job.subtasks).unwrap_or_default();
        tasks.note_holds(&mut subtasks).await?;
    }
    Ok(GetTaskResponse {
        task: Some(task),
        subtasks,
    })
}
