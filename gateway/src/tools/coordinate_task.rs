//! `shim_coordinate_task`: hands work to other sessions and gathers their results.
//!
//! The arguments are checked in full; the stack has no coordination service, so every action says so.

use super::{Answer, Call, Hints, Spec, fact};
use crate::arguments::{Arguments, Form, optional, required};
use crate::problem::Problem;

pub(super) const SPEC: Spec = Spec {
    name: "shim_coordinate_task",
    title: "Share work among sessions",
    description: "Splits work over several Claude windows or headless workers and gathers the results: submit a task, \
        look at it, wait for it, read the merged result, cancel, retry or approve it, or send a message to a session.\n\
        Useful when a job falls into parts that do not wait for each other. Large jobs are split into balanced \
        subtasks, or into the subtasks given. wait answers within 30 s, with \"still waiting\" and a cursor to go on \
        from if the task is not done by then.\n\
        It needs the coordination service; where the stack has none, the answer says so.",
    parameters: &[
        required(
            "action",
            Form::Choice(&[
                "submit", "status", "wait", "results", "cancel", "retry", "approve", "message",
            ]),
            "What to do with the task.",
        ),
        optional(
            "goal",
            Form::Text { max_bytes: 8_192 },
            "submit: what is to be achieved, in a few sentences; at most 8,192 bytes.",
        ),
        optional(
            "kind",
            Form::Text { max_bytes: 100 },
            "submit: the kind of work, for example \"refactor\"; at most 100 bytes.",
        ),
        optional(
            "subtasks",
            Form::Objects { max_items: 100 },
            "submit: the parts, each {id, goal, after: [ids it waits for], files}; at most 100, without circles. Left out, the work is split by its size.",
        ),
        optional(
            "files",
            Form::Paths { max_items: 1_000 },
            "submit: files the work is about, absolute or relative to the project; at most 1,000.",
        ),
        optional(
            "requirements",
            Form::Texts {
                max_items: 100,
                max_bytes: 200,
            },
            "submit: capabilities a worker must have; at most 100 of 200 bytes.",
        ),
        optional(
            "priority",
            Form::Whole {
                min: 0,
                max: 2_097_151,
            },
            "submit: 0 (none) or 1 (first) to 2,097,151 (last).",
        ),
        optional(
            "merge",
            Form::Choice(&["concatenate", "merge", "first", "last"]),
            "submit: how the results of subtasks become one; \"concatenate\" if left out.",
        ),
        optional(
            "strategy",
            Form::Choice(&["least_loaded", "round_robin", "capability"]),
            "submit: who gets the work; \"least_loaded\" if left out.",
        ),
        optional(
            "task_id",
            Form::Text { max_bytes: 100 },
            "All but submit and message: the task, from the answer to submit.",
        ),
        optional(
            "cursor",
            Form::Text { max_bytes: 200 },
            "wait: where the last wait ended, from its answer.",
        ),
        optional(
            "message",
            Form::Text { max_bytes: 8_192 },
            "message: the text for the session; at most 8,192 bytes.",
        ),
        optional(
            "session_id",
            Form::Id,
            "message: the session that is to read it; else the session that asks.",
        ),
    ],
    hints: Hints {
        read_only: false,
        destructive: true,
        idempotent: false,
        open_world: true,
    },
    always_load: false,
    facts: &[
        fact(
            "task",
            "object",
            "The task: task_id, status, progress, subtasks.",
        ),
        fact("result", "object", "results: the merged result."),
        fact("cursor", "string", "wait: where to go on waiting from."),
    ],
};

/// The arguments an action cannot do without.
fn needed(action: &str) -> &'static [&'static str] {
    match action {
        "submit" => &["goal"],
        "message" => &["session_id", "message"],
        _ => &["task_id"],
    }
}

pub(super) fn run(call: &Call) -> Result<Answer, Problem> {
    let action = call.arguments.text("action").unwrap_or_default();
    check_needed(&call.arguments, action, needed(action))?;
    Err(missing(&format!("action={action}")))
}

/// Names every argument the action needs and did not get.
pub(super) fn check_needed(
    arguments: &Arguments,
    action: &str,
    needed: &[&str],
) -> Result<(), Problem> {
    let missing: Vec<_> = needed
        .iter()
        .filter(|name| !arguments.has(name))
        .map(|name| {
            (
                (*name).to_owned(),
                format!("is required for action={action}"),
            )
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Problem::new(
        "BAD_REQUEST",
        format!("action={action} lacks {} argument(s)", missing.len()),
    )
    .with_fields(missing)
    .next_step("add the arguments named and call the tool again; nothing was done"))
}

/// What cannot be had without the coordination service.
pub(super) fn missing(what: &str) -> Problem {
    Problem::new(
        "COORDINATION_NOT_CONNECTED",
        format!(
            "{what} needs the coordination service (tasks, queue, workers), and this stack has none"
        ),
    )
    .next_step("go on in this session; saving, recovery, signals and search work without it")
}
