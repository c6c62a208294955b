//! `action=progress`, `complete`, `fail` and `release`: reports on the task a session has, each proven by its lease.

use shim_proto::coordination::v1::{Task, TaskError, TaskResult, TaskState};
use shim_proto::reasons::{STALE_LEASE, TASK_NOT_FOUND, task};
use shim_proto::worker::v1::{
    CompleteTaskRequest, FailTaskRequest, ReleaseTaskRequest, ReportProgressRequest,
};
use shim_render::figures::percent;
use shim_render::{time, words};
use shim_runtime::free_form;
use tonic::Status;

use super::register;
use crate::claims::{ClaimedTask, ends_claim};
use crate::render::brief::{self, Facts};
use crate::services::request_id;
use crate::tool_error::ToolError;
use crate::tools::action_arguments::incomplete;
use crate::tools::call::{ToolCall, ToolOutput};

/// The stable code of a failure that a session reports.
const FAILED_HERE: &str = task::EXECUTOR_FAILED;

pub(super) async fn run(call: &ToolCall, action: &str) -> Result<ToolOutput, ToolError> {
    let owned = register::session(call).await?;
    let session_id = owned.session_id;
    let about = |error: ToolError| error.about(session_id.as_str());
    let current = claimed_task(call, &session_id, action).map_err(about)?;
    let reported = match action {
        "progress" => progress(call, &current).await,
        "complete" => complete(call, &current).await,
        "fail" => fail(call, &current).await,
        _ => release(call, &current).await,
    };
    let claims = &call.gateway.claims;
    let task = reported.map_err(|status| {
        if ends_claim(&status) {
            claims.lose_claim(&session_id, current.lease);
        }
        about(to_error(status))
    })?;
    if action != "progress" {
        claims.end_claim(&session_id, current.lease);
        call.gateway.workers.notify_load_changed(&session_id);
    }
    let task = task.ok_or_else(|| Status::internal("the service answered without the task"))?;
    let facts = Facts::new().set("task", brief::reported(&task));
    let step = match action {
        "progress" => "go on with the task",
        _ => "action=claim takes the next task",
    };
    let answer = ToolOutput::new(render(action, &task), facts, step);
    Ok(answer.with_session(session_id))
}

/// The claim a report is about: as given, else the one this session has.
fn claimed_task(call: &ToolCall, session_id: &str, action: &str) -> Result<ClaimedTask, ToolError> {
    let claims = &call.gateway.claims;
    let known = claims.current_task(session_id);
    // A claim that is over is reported on all the same: the service says what became of the task.
    let known = known.or_else(|| claims.lost_task(session_id));
    let task_id = call.arguments.text("task_id");
    let lease = call.arguments.digits("lease");
    let known = known.filter(|current| {
        task_id.is_none_or(|task_id| task_id == current.task_id)
            && lease.is_none_or(|lease| lease == current.lease)
    });
    match (known, task_id, lease) {
        (Some(current), _, _) => Ok(current),
        (None, Some(task_id), Some(lease)) => Ok(ClaimedTask {
            task_id: task_id.to_owned(),
            lease,
            checkpoint_id: String::new(),
        }),
        (None, task_id, lease) => {
            let rule = "is required: this session has no such task here; both are in the answer to action=claim";
            let missing = [("task_id", task_id.is_none()), ("lease", lease.is_none())];
            let missing = missing.into_iter().filter(|(_, is_missing)| *is_missing);
            let fields = missing.map(|(name, _)| (name.to_owned(), rule.to_owned()));
            Err(incomplete(action, fields.collect()).next_step(
                "give both as action=claim answered them, or claim a task first; nothing was done",
            ))
        }
    }
}

async fn progress(call: &ToolCall, current: &ClaimedTask) -> Result<Option<Task>, Status> {
    let request = ReportProgressRequest {
        task_id: current.task_id.clone(),
        lease: current.lease,
        progress: call.arguments.number("progress").unwrap_or_default(),
        note: call.arguments.text_or_empty("note"),
        checkpoint_id: current.checkpoint_id.clone(),
        usage: None,
    };
    Ok(call.gateway.services.report_progress(request).await?.task)
}

async fn complete(call: &ToolCall, current: &ClaimedTask) -> Result<Option<Task>, Status> {
    let result = TaskResult {
        text: call.arguments.text_or_empty("result"),
        data: call.arguments.object("data").and_then(free_form::from_json),
        artifacts: call.arguments.texts("artifacts"),
        ..TaskResult::default()
    };
    let request = CompleteTaskRequest {
        request_id: request_id(),
        task_id: current.task_id.clone(),
        lease: current.lease,
        result: Some(result),
        usage: None,
    };
    Ok(call.gateway.services.complete_task(request).await?.task)
}

async fn fail(call: &ToolCall, current: &ClaimedTask) -> Result<Option<Task>, Status> {
    let error = TaskError {
        reason: FAILED_HERE.to_owned(),
        message: call.arguments.text_or_empty("error"),
    };
    let request = FailTaskRequest {
        request_id: request_id(),
        task_id: current.task_id.clone(),
        lease: current.lease,
        error: Some(error),
        r#final: call.arguments.flag("final"),
        usage: None,
    };
    Ok(call.gateway.services.fail_task(request).await?.task)
}

async fn release(call: &ToolCall, current: &ClaimedTask) -> Result<Option<Task>, Status> {
    let request = ReleaseTaskRequest {
        request_id: request_id(),
        task_id: current.task_id.clone(),
        lease: current.lease,
        reason: call.arguments.text_or_empty("reason"),
    };
    Ok(call.gateway.services.release_task(request).await?.task)
}

fn to_error(status: Status) -> ToolError {
    ToolError::from(status)
        .next_step_for(
            STALE_LEASE,
            "stop working on this task and leave its files alone; action=claim takes the next one",
        )
        .next_step_for(
            TASK_NOT_FOUND,
            "compare the task_id with the answer to action=claim; if it is right, the task is forgotten: claim the next one",
        )
}

fn render(action: &str, task: &Task) -> String {
    let now = words::task_state(task.state());
    match action {
        "progress" => format!(
            "Noted: {} done. The task is still this session's.",
            percent(task.progress)
        ),
        "complete" if task.state() == TaskState::AwaitingApproval => {
            "Completed; the result counts once it is approved.".to_owned()
        }
        "complete" => format!("Completed: the task is {now}."),
        "fail" if task.state() == TaskState::Delayed => format!(
            "Noted: attempt {} of {} failed; it is tried again at {}.",
            task.attempts,
            task.max_attempts,
            time::rfc3339(task.not_before.as_ref()),
        ),
        "fail" => format!("Noted: the task is {now} for good."),
        _ => format!("Given back: the task is {now}, and another worker may take it."),
    }
}
