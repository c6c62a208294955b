//! `shim_coordinate_task`: hands work to other sessions and workers, follows it, gathers its results, and sends
//! messages.
//!
//! A job is a task with parts, or a small one without. The services decide which worker runs what; here the arguments
//! become requests, and answers become words that name the next step.

mod choices;
mod decide;
mod files;
mod message;
mod parameters;
mod parent;
mod refusals;
mod results;
pub(super) mod status;
mod submit;
mod wait;

use crate::tool_error::ToolError;
use crate::tools::action_arguments::check_required;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_coordinate_task",
    title: "Share work among sessions",
    description: "Splits a job over other Claude windows and headless workers, follows it and gathers the results; \
        also sends messages.\n\
        action \"submit\" takes a goal, with the parts given in subtasks (each with what it comes after) or split by \
        SHIM if it is large, and answers with a task_id. Workers get its parts one by one; a part whose worker dies \
        goes to another one, with the last checkpoint.\n\
        action \"wait\" waits up to 25 s for what happens, from a cursor, and tells whether the job has ended; \
        \"status\" shows a job with the table of its parts, or one part; \"results\" the merged result and what is \
        missing in it. When a job ends, waits for an approval or is stuck, a notice comes with the next call as well.\n\
        action \"cancel\" calls off a job or a part, with the jobs submitted on its behalf, \"retry\" takes failed and called-off parts up again, and \
        \"approve\" decides at a gate (reject=true turns down): that is for the user to say.\n\
        action \"message\" puts a message into the inbox of one session (to_session), one worker (to_worker) or every \
        living worker with a capability (to_capability). It is kept until it is read: the reader finds it in the \
        notices of its next tool call, with the sender's session in \"from\", which to_session takes for an answer.\n\
        Useful when work can be done in parts beside each other, or to tell another window something.",
    parameters: parameters::PARAMETERS,
    hints: Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
        open_world: true,
    },
    always_load: false,
    outputs: &[
        output(
            "task",
            "object",
            "The task: task_id, goal, state, progress, attempts, worker_id, result, error, subtask_counts.",
        ),
        output(
            "subtasks",
            "objects",
            "submit, status: the parts of a job, at most 50: id, task_id, state, progress, worker_id, note, after, error.",
        ),
        output(
            "more_subtasks",
            "integer",
            "submit, status: how many parts are not listed.",
        ),
        output(
            "reasoning",
            "string",
            "submit: why the job was split so, or not.",
        ),
        output(
            "unmatched_files",
            "texts",
            "submit: patterns that no file there is matches, as they were taken.",
        ),
        output(
            "next_runs",
            "texts",
            "submit, with schedule: the next three runs, in UTC.",
        ),
        output(
            "notes",
            "texts",
            "submit: what to know of the job, such as what two given days of a schedule mean.",
        ),
        output(
            "events",
            "objects",
            "wait: what happened since the cursor: id of the part (none for the job itself), kind, progress, worker, detail.",
        ),
        output("ended", "boolean", "wait: whether the task has ended."),
        output("cursor", "string", "wait: where to go on waiting from."),
        output(
            "result",
            "object",
            "results: the merged result: text, data, artifacts, truncated.",
        ),
        output(
            "complete",
            "boolean",
            "results: whether every part is in it.",
        ),
        output(
            "missing",
            "objects",
            "results: the parts that are not: id, task_id, state, error.",
        ),
        output(
            "more_missing",
            "integer",
            "results: how many such parts are not listed.",
        ),
        output(
            "changed",
            "integer",
            "cancel, retry: how many tasks were called off or taken up.",
        ),
        output(
            "recipients",
            "integer",
            "message: how many inboxes it was put into.",
        ),
        output("note", "string", "message: why it is not read at once."),
    ],
    run: |call| Box::pin(run(call)),
};

/// The arguments an action on tasks cannot do without.
fn required_arguments(action: &str) -> &'static [&'static str] {
    match action {
        "submit" => &["goal"],
        _ => &["task_id"],
    }
}

async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let action = call.arguments.text("action").unwrap_or_default();
    if action == "message" {
        return message::run(call).await;
    }
    check_required(&call.arguments, action, required_arguments(action))?;
    call.gateway.services.require_coordination()?;
    let answer = match action {
        "submit" => submit::run(call).await,
        "wait" => wait::run(call).await,
        "results" => results::run(call).await,
        "cancel" => decide::cancel(call).await,
        "retry" => decide::retry(call).await,
        "approve" => decide::approve(call).await,
        _ => status::run(call).await,
    };
    match (answer, call.context_session_id()) {
        (Err(error), Some(session_id)) => Err(error.about(session_id)),
        (answer, _) => answer,
    }
}
