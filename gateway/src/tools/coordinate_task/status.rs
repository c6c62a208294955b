//! `action=status`: a job with the table of its parts, or one part. The view of tasks shows the same.

use serde_json::json;
use shim_proto::coordination::v1::{GetTaskRequest, GetTaskResponse, Task, TaskState};

use super::refusals::{missing_task, to_error};
use crate::render::json;
use crate::render::tasks;
use crate::render::workers::WorkerNames;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    show(call, call.arguments.text("task_id").unwrap_or_default()).await
}

/// One task as it is now.
pub(crate) async fn show(call: &ToolCall, task_id: &str) -> Result<ToolOutput, ToolError> {
    let request = GetTaskRequest {
        task_id: task_id.to_owned(),
        with_subtasks: true,
    };
    let services = &call.gateway.services;
    let (found, names) = tokio::join!(services.get_task(request), WorkerNames::look_up(services));
    let answer = render(&found.map_err(to_error)?, &names)?;
    Ok(ToolOutput {
        session_id: call.context_session_id(),
        ..answer
    })
}

fn render(found: &GetTaskResponse, names: &WorkerNames) -> Result<ToolOutput, ToolError> {
    let task = found.task.as_ref().ok_or_else(missing_task)?;
    let mut text = tasks::task("Task: ", task, names);
    text.append(&tasks::table(&found.subtasks, names));
    text.optional(next_step(task));
    let rows = tasks::rows(&found.subtasks);
    let structured = json!({
        "task": json::task(task),
        "subtasks": rows.iter().map(|part| json::subtask(part)).collect::<Vec<_>>(),
        "more_subtasks": found.subtasks.len() - rows.len(),
    });
    Ok(ToolOutput::new(text, structured))
}

fn next_step(task: &Task) -> &'static str {
    match task.state() {
        TaskState::AwaitingApproval => {
            "Next: it waits for an approval; action=approve decides when the user has said so."
        }
        TaskState::Failed | TaskState::Cancelled => {
            "Next: action=retry takes up what failed or was called off; action=results shows what there is."
        }
        TaskState::Completed if task.result.is_none() => {
            "Next: action=results gathers the results."
        }
        TaskState::Completed => "",
        _ => "Next: action=wait with the task_id tells what happens.",
    }
}
