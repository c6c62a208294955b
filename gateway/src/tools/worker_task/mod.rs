//! `shim_worker_task`: makes this session a worker that others find, and lets it take tasks and report on them.
//!
//! The services decide which worker gets a task and which report counts. What this process remembers of a claim only
//! saves the model from repeating it.

mod claim;
mod handover;
mod register;
mod report;

use shim_proto::limits::{task, worker};

use crate::arguments::{Named, ParameterType, optional, required};
use crate::tool_error::ToolError;
use crate::tools::action_arguments::check_required;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::tools::spec::{Hints, ToolSpec, output};

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "shim_worker_task",
    title: "Work on shared tasks",
    description: "Makes this session a worker, and lets it take shared tasks one by one and report on them.\n\
        action \"claim\" waits up to 20 s for a task that fits this worker, and answers with its goal, payload, files \
        (which nobody else may lease while it runs), and what an earlier worker left of it; or says that none came. \
        It registers the session if that was not done yet.\n\
        action \"register\" makes the session known with its capabilities; registering again replaces them. It is \
        then listed by shim_session_status view=workers, gets messages sent to its capabilities in the notices of \
        its next call, and counts as alive as long as this process runs and holds the session.\n\
        action \"progress\" tells how far the task is; \"complete\" ends it with its result; \"fail\" ends this attempt \
        (it is tried again unless final); \"release\" gives it back untried. task_id and lease may be left out: they \
        are those of the task this session has. A report after the task was given to another worker or called off \
        is refused with STALE_LEASE, and the work on it is to stop.\n\
        While a session has a task, each shim_auto_checkpoint of it also goes to the task, so that another worker \
        can go on from there.\n\
        Useful when the user wants this window to take part in shared work.",
    parameters: &[
        required(
            "action",
            ParameterType::Choice(&[
                "register", "claim", "progress", "complete", "fail", "release",
            ]),
            "What to do.",
        ),
        optional(
            "capabilities",
            ParameterType::Names {
                max_items: worker::MAX_CAPABILITIES,
            },
            "register (required there), claim: what this worker can do, for example \"rust\"; at most 100, each of up to 100 letters, digits and ._:/@-",
        ),
        optional(
            "wait_seconds",
            ParameterType::Integer {
                min: 0,
                max: claim::MAX_WAIT_S,
            },
            "claim: how long to wait for a task, 0 to 20; 20 if left out.",
        ),
        optional(
            "task_id",
            ParameterType::id(Named::Task),
            "progress, complete, fail, release: the task, from the answer to claim; left out, the one this session has.",
        ),
        optional(
            "lease",
            ParameterType::Digits,
            "progress, complete, fail, release: the lease, from the answer to claim; left out, that of the task this session has.",
        ),
        optional(
            "progress",
            ParameterType::Number { min: 0.0, max: 1.0 },
            "progress (required there): how much of the task is done, 0 to 1.",
        ),
        optional(
            "note",
            ParameterType::Text { max_bytes: 1_024 },
            "progress: what is being done now, in a few words; at most 1,024 bytes.",
        ),
        optional(
            "result",
            ParameterType::Text {
                max_bytes: task::MAX_RESULT_TEXT_BYTES,
            },
            "complete (required there): what came of it, for people and other sessions to read; at most 262,144 bytes.",
        ),
        optional(
            "data",
            ParameterType::Object {
                max_bytes: task::MAX_RESULT_DATA_BYTES,
            },
            "complete: the result for programs, any JSON object; merged with that of the other parts.",
        ),
        optional(
            "artifacts",
            ParameterType::Paths {
                max_items: task::MAX_ARTIFACTS,
            },
            "complete: files with more of the result, on this machine.",
        ),
        optional(
            "error",
            ParameterType::Text {
                max_bytes: task::MAX_ERROR_BYTES,
            },
            "fail (required there): why it failed; at most 8,192 bytes.",
        ),
        optional(
            "final",
            ParameterType::Flag,
            "fail: true if trying again is of no use.",
        ),
        optional(
            "reason",
            ParameterType::Text { max_bytes: 1_024 },
            "release: why, for people; at most 1,024 bytes.",
        ),
        optional(
            "session_id",
            ParameterType::id(Named::Session),
            "The session that works, from an earlier answer; left out, this process's own.",
        ),
    ],
    hints: Hints {
        read_only: false,
        destructive: false,
        idempotent: false,
        open_world: true,
    },
    always_load: false,
    outputs: &[
        output(
            "worker",
            "object",
            "register: this worker as the registry knows it; its worker_id is the session_id.",
        ),
        output(
            "task",
            "object",
            "claim: the task, left out if none came: task_id, job_id, goal, payload, files, attempts. Reports: task_id, state, progress.",
        ),
        output(
            "lease",
            "string",
            "claim: goes with every report on the task.",
        ),
        output(
            "job",
            "object",
            "claim: the job the task is a part of: goal.",
        ),
        output(
            "results_before",
            "objects",
            "claim: the results of the parts it comes after: id, task_id, result.",
        ),
        output(
            "checkpoint",
            "object",
            "claim: the last checkpoint an earlier worker saved for it: checkpoint_id, number.",
        ),
        output(
            "resume_prompt",
            "string",
            "claim: what that worker had done and decided, and what was left to do; its files were looked at.",
        ),
    ],
    run: |call| Box::pin(run(call)),
};

/// The arguments an action cannot do without.
fn required_arguments(action: &str) -> &'static [&'static str] {
    match action {
        "register" => &["capabilities"],
        "progress" => &["progress"],
        "complete" => &["result"],
        "fail" => &["error"],
        _ => &[],
    }
}

async fn run(call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let action = call.arguments.text("action").unwrap_or_default();
    check_required(&call.arguments, action, required_arguments(action))?;
    if action == "register" {
        return register::run(call).await;
    }
    call.gateway.services.require_worker_service()?;
    match action {
        "claim" => claim::run(call).await,
        _ => report::run(call, action).await,
    }
}
