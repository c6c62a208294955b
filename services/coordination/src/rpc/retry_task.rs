//! RetryTask: makes a failed or cancelled task, and what failed with it, ready again. A schedule goes on with its next run.

use std::time::SystemTime;

use shim_proto::coordination::v1::{RetryTaskRequest, RetryTaskResponse};
use shim_store::IdempotencyKey;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::schedule_fields;

pub(super) async fn handle(
    api: &Api,
    request: RetryTaskRequest,
) -> Result<RetryTaskResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let task_id = fields.task_id(&request.task_id).to_string();
    fields.finish()?;

    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    api.attention.wake();
    let tasks = &api.store.tasks;
    let (task, retried) = match schedule_of(api, &task_id).await? {
        Some((schedule_id, next_run)) => {
            tasks
                .resume_schedule(&idempotency_key, &schedule_id, next_run)
                .await?
        }
        None => tasks.retry(&idempotency_key, &task_id).await?,
    };
    Ok(RetryTaskResponse {
        task: Some(task),
        retried,
    })
}

/// The schedule that a task is, or is a part of, and its next run; `None` if it is of no schedule. Nothing of a schedule
/// itself runs, only copies of it.
async fn schedule_of(api: &Api, task_id: &str) -> Result<Option<(String, SystemTime)>, Status> {
    let tasks = &api.store.tasks;
    let Some(mut task) = tasks.get(task_id).await? else {
        return Ok(None);
    };
    if task.root_id != task.task_id {
        let root = tasks.get(&task.root_id).await?;
        task = root.unwrap_or_default();
    }
    if task.schedule.is_empty() {
        return Ok(None);
    }
    let next_run = schedule_fields::next_run_of(&task).await;
    let next_run = next_run.map_err(|wrong| {
        let mut fields = Fields::default();
        fields.refuse("task_id", format!("is a schedule that {wrong}"));
        fields
            .finish()
            .err()
            .unwrap_or_else(|| Status::internal("a refusal without a field"))
    })?;
    Ok(Some((task.task_id, next_run)))
}
