//! Messages to the submitter of a job: that it ended, waits for an approval, or is stuck.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_proto::coordination::v1::{Message, Task, TaskState};
use shim_proto::limits::coordination::OWN_SENDER;

/// Bytes of a goal in a message; the task has all of it.
const MAX_GOAL_BYTES: usize = 200;

/// The message about a task: `ended`, `approval`, `stuck` or `held`.
pub(super) fn message(why: &str, task: &Task) -> Message {
    let goal = truncated(&task.goal);
    let id = &task.task_id;
    let text = match why {
        "approval" => format!("task {id} waits for approval: {goal}"),
        "stuck" => format!("task {id} makes no progress, though its worker lives: {goal}"),
        "held" => {
            let error = task.error.as_ref();
            let why = error.map_or_else(String::new, |error| truncated(&error.message));
            format!(
                "task {id} waits, for its worker can do none now ({why}); this costs it no attempt: {goal}"
            )
        }
        _ => format!("job {id} {}: {goal}", ending(task)),
    };
    Message {
        sender: OWN_SENDER.to_owned(),
        text,
        data: Some(details(why, task)),
        ..Message::default()
    }
}

/// The time of the event that a notice is about, which distinguishes two notices about one task.
pub(super) fn notice_time_ms(task: &Task) -> i64 {
    let at = task.finished_at.as_ref().or(task.reported_at.as_ref());
    at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000)
}

fn ending(task: &Task) -> String {
    let how = match task.state() {
        TaskState::Completed => "completed",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "was called off",
        _ => "goes on",
    };
    match &task.error {
        Some(error) => format!("{how} ({})", truncated(&error.message)),
        None => how.to_owned(),
    }
}

fn details(why: &str, task: &Task) -> Struct {
    let state = task.state().as_str_name().trim_start_matches("TASK_STATE_");
    let details = [
        ("notice", why),
        ("task_id", &task.task_id),
        ("root_id", &task.root_id),
        ("state", &state.to_lowercase()),
    ];
    let value = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    Struct {
        fields: details
            .iter()
            .map(|(name, text)| ((*name).to_owned(), value(text)))
            .collect(),
    }
}

fn truncated(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() <= MAX_GOAL_BYTES {
        return line.to_owned();
    }
    let cut = line.floor_char_boundary(MAX_GOAL_BYTES);
    format!("{}...", &line[..cut])
}
