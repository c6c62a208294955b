//! `shim_coordinate_task`: messages other sessions and workers, hands work to them and gathers their results.
//!
//! The arguments of every action are checked in full. Messages are sent; no service of the contract takes tasks, so
//! the actions on tasks say so.

mod message;

use shim_runtime::fault::BAD_REQUEST;

use super::{Answer, Call, Hints, Spec, fact};
use crate::arguments::{Arguments, Form, optional, required};
use crate::problem::Problem;

pub(super) const SPEC: Spec = Spec {
    name: "shim_coordinate_task",
    title: "Share work among sessions",
    description: "Works with other Claude windows and headless workers: sends them messages, splits a job over them \
        and gathers the results.\n\
        action \"message\" puts a message into the inbox of one session (to_session), one worker (to_worker) or every \
        living worker with a capability (to_capability). It is kept until it is read: the reader finds it in the \
        notices of its next tool call, with the sender's session in \"from\", which to_session takes for an answer. \
        Useful to ask or tell another window something, or to warn those who work on the same files.\n\
        The other actions are about tasks: submit one, look at it, wait for it, read the merged result, cancel, retry \
        or approve it. Large jobs are split into balanced subtasks, or into the subtasks given. Where the stack does \
        not serve tasks or has no coordination service, the answer says so.",
    parameters: &[
        required(
            "action",
            Form::Choice(&[
                "submit", "status", "wait", "results", "cancel", "retry", "approve", "message",
            ]),
            "What to do.",
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
            Form::Text { max_bytes: 16_384 },
            "message (required there): the text; at most 16,384 bytes.",
        ),
        optional(
            "to_session",
            Form::Id,
            "message: the session that is to read it, from view=sessions, or the \"from\" of a message.",
        ),
        optional(
            "to_worker",
            Form::Id,
            "message, instead of to_session: the worker that is to read it, from view=workers.",
        ),
        optional(
            "to_capability",
            Form::Text { max_bytes: 100 },
            "message, instead of to_session: every living worker with this capability, for example \"rust\".",
        ),
        optional(
            "session_id",
            Form::Id,
            "The session that asks or sends, from an earlier answer; left out, this process's own.",
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
        fact(
            "recipients",
            "integer",
            "message: how many inboxes it was put into.",
        ),
    ],
};

/// The arguments an action on tasks cannot do without.
fn needed(action: &str) -> &'static [&'static str] {
    match action {
        "submit" => &["goal"],
        _ => &["task_id"],
    }
}

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    let action = call.arguments.text("action").unwrap_or_default();
    if action == "message" {
        return message::run(call).await;
    }
    check_needed(&call.arguments, action, needed(action))?;
    Err(tasks_not_served(call, &format!("action={action}")))
}

/// Names every argument the action needs and did not get.
pub(super) fn check_needed(
    arguments: &Arguments,
    action: &str,
    needed: &[&str],
) -> Result<(), Problem> {
    let missing = lacking(arguments, action, needed);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(incomplete(action, missing))
    }
}

fn lacking(arguments: &Arguments, action: &str, needed: &[&str]) -> Vec<(String, String)> {
    let missing = needed.iter().filter(|name| !arguments.has(name));
    let rule = format!("is required for action={action}");
    missing
        .map(|name| ((*name).to_owned(), rule.clone()))
        .collect()
}

fn incomplete(action: &str, fields: Vec<(String, String)>) -> Problem {
    let message = format!(
        "the arguments of action={action} are wrong in {} place(s)",
        fields.len()
    );
    Problem::new(BAD_REQUEST, message)
        .with_fields(fields)
        .next_step("correct the arguments named and call the tool again; nothing was done")
}

/// The answer to everything about tasks: nothing was done.
pub(super) fn tasks_not_served(call: &Call, what: &str) -> Problem {
    if let Err(status) = call.gateway.services.need_coordination() {
        return status.into();
    }
    let message = format!("{what} needs the task service, and this stack does not serve tasks");
    Problem::new("TASKS_NOT_SERVED", message).next_step(
        "do the work here, or share it by hand: view=workers lists who is there, and action=message of \
         shim_coordinate_task reaches them",
    )
}
