//! `action=cancel`, `retry` and `approve`: decisions about work that is under way or has failed.

use serde_json::json;
use shim_proto::coordination::v1::{ApproveTaskRequest, CancelTaskRequest, RetryTaskRequest, Task};

use super::super::{Answer, Call};
use super::{refused, without_task};
use crate::facts;
use crate::problem::Problem;
use crate::services::request_id;
use crate::wording;

pub(super) async fn cancel(call: &Call) -> Result<Answer, Problem> {
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
        .map_err(refused)?;
    let task = answer.task.ok_or_else(without_task)?;
    let text = match answer.cancelled {
        0 => format!(
            "Nothing was called off: it had ended before ({}).",
            wording::task_state(task.state())
        ),
        count => format!(
            "{count} task(s) called off. A worker that has one is refused from its next report on. action=retry \
             takes them up again."
        ),
    };
    Ok(told(call, text, &task, Some(answer.cancelled)).await)
}

pub(super) async fn retry(call: &Call) -> Result<Answer, Problem> {
    let request = RetryTaskRequest {
        request_id: request_id(),
        task_id: call.arguments.text_or_empty("task_id"),
    };
    let answer = call
        .gateway
        .services
        .retry_task(request)
        .await
        .map_err(refused)?;
    let task = answer.task.ok_or_else(without_task)?;
    let text = format!(
        "{} task(s) taken up again, with all their attempts. Next: action=wait with the task_id tells what happens.",
        answer.retried
    );
    Ok(told(call, text, &task, Some(answer.retried)).await)
}

pub(super) async fn approve(call: &Call) -> Result<Answer, Problem> {
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
        .map_err(refused)?;
    let task = answer.task.ok_or_else(without_task)?;
    let text = format!(
        "{}: the task is {} now.",
        if reject { "Rejected" } else { "Approved" },
        wording::task_state(task.state()),
    );
    Ok(told(call, text, &task, None).await)
}

async fn told(call: &Call, text: String, task: &Task, changed: Option<u32>) -> Answer {
    let mut facts = json!({"task": facts::task(task)});
    if let Some(changed) = changed {
        facts["changed"] = changed.into();
    }
    let text = format!("{text}\ntask_id: {}", task.task_id);
    Answer {
        session_id: call.session_looked_from().await,
        ..Answer::new(text, facts)
    }
}
