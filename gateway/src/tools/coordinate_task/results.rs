//! `action=results`: the merged result of a job, or of what there is so far.

use serde_json::{Value, json};
use shim_proto::coordination::v1::{
    AggregateResultsRequest, AggregateResultsResponse, MissingResult, Task, TaskState,
};
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::text::{entry, name, one_line};
use shim_render::words;

use super::choices;
use super::refusals::{missing_task, to_error};
use crate::render::brief::Facts;
use crate::render::json;
use crate::render::tasks;
use crate::tool_error::ToolError;
use crate::tools::call::{ToolCall, ToolOutput, next_line};

/// Missing parts in an answer.
const MAX_MISSING: usize = 50;
const MAX_GOAL_CHARACTERS: usize = 200;

pub(super) async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let request = AggregateResultsRequest {
        task_id: call.arguments.text_or_empty("task_id"),
        merge: choices::merge(call.arguments.text("merge")).into(),
    };
    let merged = call.gateway.services.aggregate_results(request).await;
    let answer = render(&merged.map_err(to_error)?)?;
    Ok(answer.about(call.context_session_id()))
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
    let step = next_step(task, merged.complete);
    text.line(next_line(step));
    let missing = merged.missing.iter().take(MAX_MISSING);
    let missing: Vec<Value> = missing.map(json::missing).collect();
    let shown = json!({
        "task_id": task.task_id,
        "goal": one_line(&task.goal, MAX_GOAL_CHARACTERS),
        "state": words::task_state(task.state()),
        "progress": task.progress,
    });
    let facts = Facts::new()
        .set("task", shown)
        .set("complete", merged.complete)
        .set("missing", missing)
        .set_some(
            "more_missing",
            merged.missing.len().saturating_sub(MAX_MISSING),
        )
        .set_some("result", merged.result.as_ref().map(json::result));
    match &merged.result {
        Some(result) => text.append(&tasks::result(result)),
        None => text.line("There is no result yet."),
    }
    Ok(ToolOutput::new(text, facts, step).with_next_told())
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
        TaskState::Completed => "go on with the result",
        TaskState::Failed | TaskState::Cancelled => {
            "action=retry with the job's task_id takes up what is missing"
        }
        TaskState::AwaitingApproval => "it waits for an approval (action=approve)",
        _ if complete => "go on with the result",
        _ => "the job has not ended; action=wait with the task_id tells when it has",
    }
}
