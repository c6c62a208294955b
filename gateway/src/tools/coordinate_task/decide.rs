//! `action=cancel`, `retry` and `approve`: decisions about work that is under way or has failed.

use shim_proto::coordination::v1::{ApproveTaskRequest, CancelTaskRequest, RetryTaskRequest, Task};
use shim_render::page::Page;
use shim_render::words;

use super::refusals::{missing_task, to_error};
use crate::render::brief::{self, Facts};
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput, known};

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
            "{count} task(s) called off. A worker that has one is refused from its next report on."
        ),
    };
    let step = match answer.cancelled {
        0 => "action=results shows what there is",
        _ => way_back(&task),
    };
    Ok(render(call, text, &task, Some(answer.cancelled), step))
}

/// How what was called off is taken up again.
fn way_back(task: &Task) -> &'static str {
    if task.schedule.is_empty() {
        "action=retry takes them up again"
    } else {
        "action=retry lets the schedule go on with its next run"
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
        "{} task(s) taken up again, with all their attempts.",
        answer.retried
    );
    Ok(render(call, text, &task, Some(answer.retried), WAIT))
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
    let step = if reject {
        "action=results shows what there is"
    } else {
        WAIT
    };
    Ok(render(call, text, &task, None, step))
}

const WAIT: &str = "action=wait with the task_id tells what happens";

fn render(
    call: &ToolCall,
    text: String,
    task: &Task,
    changed: Option<u32>,
    step: &str,
) -> ToolOutput {
    let session_id = call.context_session_id();
    let mut facts = Facts::new().set("task", brief::task(task, &known(session_id.as_ref())));
    if let Some(changed) = changed {
        facts = facts.set("changed", changed);
    }
    let mut text = Page::of(text);
    text.line(format!("task_id: {}", task.task_id));
    ToolOutput::new(text, facts, step).about(session_id)
}
