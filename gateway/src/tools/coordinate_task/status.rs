//! `action=status`: a job with the table of its parts, or one part. The view of tasks shows the same.

use serde_json::json;
use shim_proto::coordination::v1::{GetTaskRequest, GetTaskResponse, Task, TaskState};

use super::super::{Answer, Call};
use super::{refused, without_task};
use crate::board;
use crate::facts;
use crate::problem::Problem;
use crate::roster::Names;

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    show(call, call.arguments.text("task_id").unwrap_or_default()).await
}

/// One task as it is now.
pub(in crate::tools) async fn show(call: &Call, task_id: &str) -> Result<Answer, Problem> {
    let request = GetTaskRequest {
        task_id: task_id.to_owned(),
        with_subtasks: true,
    };
    let services = &call.gateway.services;
    let (found, names) = tokio::join!(services.get_task(request), Names::look_up(services));
    let answer = told(&found.map_err(refused)?, &names)?;
    Ok(Answer {
        session_id: call.session_looked_from().await,
        ..answer
    })
}

fn told(found: &GetTaskResponse, names: &Names) -> Result<Answer, Problem> {
    let task = found.task.as_ref().ok_or_else(without_task)?;
    let mut text = board::task(task, names);
    text.push_str(&board::table(&found.subtasks, names));
    text.push_str(next_step(task));
    let rows = board::rows(&found.subtasks);
    let facts = json!({
        "task": facts::task(task),
        "subtasks": rows.iter().map(|part| facts::subtask(part)).collect::<Vec<_>>(),
        "more_subtasks": found.subtasks.len() - rows.len(),
    });
    Ok(Answer::new(text, facts))
}

fn next_step(task: &Task) -> &'static str {
    match task.state() {
        TaskState::AwaitingApproval => {
            "\nNext: it waits for an approval; action=approve decides when the user has said so."
        }
        TaskState::Failed | TaskState::Cancelled => {
            "\nNext: action=retry takes up what failed or was called off; action=results shows what there is."
        }
        TaskState::Completed if task.result.is_none() => {
            "\nNext: action=results gathers the results."
        }
        TaskState::Completed => "",
        _ => "\nNext: action=wait with the task_id tells what happens.",
    }
}
