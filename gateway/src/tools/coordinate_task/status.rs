//! `action=status`: a job with the table of its parts, or one part. The view of tasks shows the same.

use serde_json::Value;
use shim_proto::coordination::v1::{GetTaskRequest, GetTaskResponse, Task, TaskState};

use super::refusals::{missing_task, to_error};
use crate::render::brief::{self, Facts, Listing};
use crate::render::tasks;
use crate::render::workers::WorkerNames;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput, known};

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
    let session_id = call.context_session_id();
    let answer = render(&found.map_err(to_error)?, &names, session_id.as_ref())?;
    Ok(answer.about(session_id))
}

fn render(
    found: &GetTaskResponse,
    names: &WorkerNames,
    session_id: Option<&String>,
) -> Result<ToolOutput, ToolError> {
    let task = found.task.as_ref().ok_or_else(missing_task)?;
    let mut text = tasks::task("Task: ", task, names);
    text.append(&tasks::table(&found.subtasks, names));
    let facts = parts(
        Facts::new().set("task", brief::job(task, &known(session_id))),
        &found.subtasks,
        names,
    );
    Ok(ToolOutput::new(text, facts, next_step(task)))
}

/// The parts of a job as facts, as many as its table has.
pub(super) fn parts(facts: Facts, parts: &[Task], names: &WorkerNames) -> Facts {
    let listing = Listing {
        keys: tasks::keys(parts),
        names: Some(names),
    };
    let rows = tasks::rows(parts);
    let shown: Vec<Value> = rows.iter().map(|part| listing.task(part)).collect();
    facts
        .set_some("subtasks", shown)
        .set_some("more_subtasks", parts.len() - rows.len())
}

fn next_step(task: &Task) -> &'static str {
    match task.state() {
        TaskState::AwaitingApproval => {
            "it waits for an approval; action=approve decides when the user has said so"
        }
        TaskState::Failed | TaskState::Cancelled => {
            "action=retry takes up what failed or was called off; action=results shows what there is"
        }
        TaskState::Completed if task.result.is_none() => "action=results gathers the results",
        TaskState::Completed => "go on with the result",
        _ => "action=wait with the task_id tells what happens",
    }
}
