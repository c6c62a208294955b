//! `action=results`: the merged result of a job, or of what there is so far.

use serde_json::json;
use shim_proto::coordination::v1::{
    AggregateResultsRequest, AggregateResultsResponse, MissingResult, Task, TaskState,
};
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::text::{entry, name, one_line};
use shim_render::words;

use super::choices;
use super::refusals::{missing_task, to_error};
use crate::render::json;
use crate::render::tasks;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput};

/// Missing parts in an answer.
const MAX_MISSING: usize = 50;

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let request = AggregateResultsRequest {
        task_id: call.arguments.text_or_empty("task_id"),
        merge: choices::merge(call.arguments.text("merge")).into(),
    };
    let merged = call.gateway.services.aggregate_results(request).await;
    let answer = render(&merged.map_err(to_error)?)?;
    Ok(ToolOutput {
        session_id: call.context_session_id(),
        ..answer
    })
}

fn render(merged: &AggregateResultsResponse) -> Result<ToolOutput, ToolError> {
    let task = merged.task.as_ref().ok_or_else(missing_task)?;
    let mut text = Page::of(format!(
        "Task: {} [{}, {} done]",
        entry(&task.goal, 200),
        words::task_state(task.state()),
        percent(task.progress),
    ));
    text.append(&what_is_missing(&merged.missing));
    text.optional(next_step(task, merged.complete));
    let mut structured = json!({
        "task": json::subtask(task),
        "complete": merged.complete,
        "missing": merged.missing.iter().take(MAX_MISSING).map(json::missing).collect::<Vec<_>>(),
    });
    match &merged.result {
        Some(result) => {
            structured["result"] = json::result(result);
            text.append(&tasks::result(result));
        }
        None => text.line("There is no result yet."),
    }
    Ok(ToolOutput::new(text, structured))
}

/// It stands before the result: what there is of it is long, and from others.
fn what_is_missing(missing: &[MissingResult]) -> Page {
    let mut text = Page::default();
    for part in missing.iter().take(MAX_MISSING) {
        let why = part.error.as_ref().map_or_else(String::new, |error| {
            let message = one_line(&error.message, 200);
            format!(": {} ({message})", error.reason)
        });
        text.line(format!(
            "Missing: {} [{}]{why}, task_id={}",
            name(&part.key, 200),
            words::task_state(part.state()),
            part.task_id,
        ));
    }
    if missing.len() > MAX_MISSING {
        text.line(format!(
            "({} more are missing)",
            missing.len() - MAX_MISSING
        ));
    }
    text
}

fn next_step(task: &Task, complete: bool) -> &'static str {
    match task.state() {
        TaskState::Completed => "",
        TaskState::Failed | TaskState::Cancelled => {
            "Next: action=retry with the job's task_id takes up what is missing."
        }
        TaskState::AwaitingApproval => "Next: it waits for an approval (action=approve).",
        _ if complete => "",
        _ => "Next: the job has not ended; action=wait with the task_id tells when it has.",
    }
}
