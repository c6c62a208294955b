//! `shim_worker_task`: lets this session take work that others submitted.
//!
//! The arguments are checked in full; the stack has no worker service, so every action says so.

use super::coordinate_task::check_needed;
use super::{Answer, Call, Hints, Spec, fact};
use crate::arguments::{Form, optional, required};
use crate::problem::Problem;

pub(super) const SPEC: Spec = Spec {
    name: "shim_worker_task",
    title: "Work on shared tasks",
    description: "Makes this session a worker: register with its capabilities, claim a task, report progress, and \
        complete, fail or release it.\n\
        Useful when the user wants this window to take part in shared work. claim waits up to 25 s and answers with a \
        task and a lease, or that there is none; the lease goes with every later report, and a report after the task \
        was given to another worker is refused.\n\
        It needs the worker service; where the stack has none, the answer says so.",
    parameters: &[
        required(
            "action",
            Form::Choice(&[
                "register", "claim", "progress", "complete", "fail", "release",
            ]),
            "What to do.",
        ),
        optional(
            "capabilities",
            Form::Texts {
                max_items: 100,
                max_bytes: 200,
            },
            "register: what this worker can do, for example \"rust\"; at most 100 of 200 bytes.",
        ),
        optional(
            "task_id",
            Form::Text { max_bytes: 100 },
            "progress, complete, fail, release: the task, from the answer to claim.",
        ),
        optional(
            "lease",
            Form::Text { max_bytes: 200 },
            "progress, complete, fail, release: the lease, from the answer to claim.",
        ),
        optional(
            "progress",
            Form::Number { min: 0.0, max: 1.0 },
            "progress: how much of the task is done, 0 to 1.",
        ),
        optional(
            "result",
            Form::Object,
            "complete: the result, any JSON object.",
        ),
        optional(
            "error",
            Form::Text { max_bytes: 8_192 },
            "fail: why it failed; at most 8,192 bytes.",
        ),
        optional(
            "session_id",
            Form::Id,
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
    facts: &[
        fact(
            "worker",
            "object",
            "register: this worker as the registry knows it.",
        ),
        fact(
            "task",
            "object",
            "claim: the task: task_id, goal, files, checkpoint of the worker before.",
        ),
        fact(
            "lease",
            "string",
            "claim: goes with every report on the task.",
        ),
    ],
};

/// The arguments an action cannot do without.
fn needed(action: &str) -> &'static [&'static str] {
    match action {
        "register" => &["capabilities"],
        "progress" => &["task_id", "lease", "progress"],
        "complete" => &["task_id", "lease", "result"],
        "fail" => &["task_id", "lease", "error"],
        "release" => &["task_id", "lease"],
        _ => &[],
    }
}

pub(super) fn run(call: &Call) -> Result<Answer, Problem> {
    let action = call.arguments.text("action").unwrap_or_default();
    check_needed(&call.arguments, action, needed(action))?;
    Err(Problem::new(
        "WORKER_NOT_CONNECTED",
        format!("action={action} needs the worker service, and this stack has none"),
    )
    .next_step("go on in this session; saving, recovery, signals and search work without it"))
}
