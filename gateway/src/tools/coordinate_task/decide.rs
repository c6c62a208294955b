//! `action=cancel`, `retry` and `approve`: decisions about work that is under way or has failed.

use serde_json::json;
use shim_proto::coordination::v1::{ApproveTaskRequest, CancelTaskRequest, RetryTaskRequest, Task};
use shim_render::page::Page;
use shim_render::words;

use super::refusals::{missing_task, to_error};
use crate::render::json;
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

pub(super) async fn cancel(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let request = CancelTaskRequest {
        request_id: request_id(),
        task_id: call.arguments.text_or_empty("task_id"),
        reason: call.arguments.text_or_empty("reason"),
    };
    let answer = call
        .gateway
        .services
        .cancel_task(request)
        .await
        .map_err(to_error)?;
    let task = answer.task.ok_or_else(missing_task)?;
    let text = match answer.cancelled {
        0 => format!(
            "Nothing was called off: it had ended before ({}).",
            words::task_state(task.state())
        ),
        count => format!(
            "{count} task(s) called off. A worker that has one is refused from its next report on. {}",
            way_back(&task)
        ),
    };
    Ok(render(call, text, &task, Some(answer.cancelled)).await)
}

/// How what was called off is taken up again.
fn way_back(task: &Task) -> &'static str {
    if task.schedule.is_empty() {
        "action=retry takes them up again."
    } else {
        "action=retry lets the schedule go on with its next run."
    }
}

pub(super) async fn retry(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let request = RetryTaskRequest {
        request_id: request_id(),
        task_id: call.arguments.text_or_empty("task_id"),
    };
    let answer = call
        .gateway
        .services
        .retry_task(request)
        .await
        .map_err(to_error)?;
    let task = answer.task.ok_or_else(missing_task)?;
    let text = format!(
        "{} task(s) taken up again, with all their attempts. Next: action=wait with the task_id tells what happens.",
        answer.retried
    );
    Ok(render(call, text, &task, Some(answer.retried)).await)
}

pub(super) async fn approve(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let reject = call.arguments.flag("reject");
    let request = ApproveTaskRequest {
        request_id: request_id(),
        task_id: call.arguments.text_or_empty("task_id"),
        reject,
        reason: call.arguments.text_or_empty("reason"),
    };
    let answer = call
        .gateway
        .services
        .approve_task(request)
        .await
        .map_err(to_error)?;
    let task = answer.task.ok_or_else(missing_task)?;
    let text = format!(
        "{}: the task is {} now.",
        if reject { "Rejected" } else { "Approved" },
        words::task_state(task.state()),
    );
    Ok(render(call, text, &task, None).await)
}

async fn render(call: &ToolCall, text: String, task: &Task, changed: Option<u32>) -> ToolOutput {
    let mut structured = json!({"task": json::task(task)});
    if let Some(changed) = changed {
        structured["changed"] = changed.into();
    }
    let mut text = Page::of(text);
    text.line(format!("task_id: {}", task.task_id));
    ToolOutput {
        session_id: call.context_session_id(),
        ..ToolOutput::new(text, structured)
    }
}
