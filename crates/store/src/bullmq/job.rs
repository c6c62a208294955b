//! The form of a task's job in BullMQ, which other programs can read, process and make.

use std::time::Duration;

use bullmq::types::BackoffStrategy;
use bullmq::{Job, JobOptions};
use serde_json::{Map, Value, json};
use shim_proto::coordination::v1::{Requirements, Task};
use shim_runtime::free_form;
use shim_runtime::json_text::mend;
use shim_runtime::trace::{TRACEPARENT, TraceContext};

use crate::clock::millis;
use crate::json::to_struct;

/// The job's name: the kind of work.
pub(super) fn name(task: &Task) -> &str {
    if task.kind.is_empty() {
        "task"
    } else {
        &task.kind
    }
}

/// The job's data. What a task does not say is left out: Redis keeps the data of every queued job as text.
pub(super) fn data(task: &Task) -> Value {
    let mut data = json!({
        "task_id": task.task_id,
        "root_id": task.root_id,
        "goal": task.goal,
        "workspace": task.workspace,
        TRACEPARENT: task.traceparent,
    });
    if !task.kind.is_empty() {
        data["kind"] = json!(task.kind);
    }
    if let Some(payload) = &task.payload {
        data["payload"] = Value::Object(free_form::to_json(payload));
    }
    if !task.files.is_empty() {
        data["files"] = json!(task.files);
    }
    let requirements = task.requirements.clone().unwrap_or_default();
    if requirements != Requirements::default() {
        data["requirements"] = json!({
            "executor": requirements.executor().as_str_name(),
            "capabilities": requirements.capabilities,
        });
    }
    data
}

/// The job's options; workers of other programs heed them too.
pub(super) fn options(task: &Task, backoff: Duration, delay: Duration) -> JobOptions {
    let options = JobOptions::new()
        .job_id(task.task_id.as_str())
        .priority(task.priority.max(1))
        .attempts(task.max_attempts.max(1))
        .backoff(BackoffStrategy::Exponential(millis(backoff)));
    if delay.is_zero() {
        options
    } else {
        options.delay(delay)
    }
}

/// Where a job began in a trace, if its producer says so.
pub(super) fn trace_context(job: &Job) -> Option<TraceContext> {
    TraceContext::parse(job.data().get(TRACEPARENT)?.as_str()?)
}

/// The task that another program's job stands for. `written_data` is JSON as the program wrote it; data that is no object
/// is not told.
pub(super) fn foreign_task(name: &str, written_data: &[u8]) -> Task {
    let data: Option<Map<String, Value>> = serde_json::from_str(&mend(written_data)).ok();
    let data = data.unwrap_or_default();
    let goal = data.get("goal").and_then(Value::as_str);
    let payload = match data.get("payload") {
        Some(Value::Object(payload)) => to_struct(payload),
        _ => to_struct(&data),
    };
    Task {
        goal: goal.unwrap_or(name).to_owned(),
        kind: name.to_owned(),
        payload: Some(payload),
        weight: 1.0,
        ..Task::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_foreign_job_loses_nothing_of_its_data() {
        let written = br#"{"goal":"fix \ud82d","payload":{"id":1234567890123456789,"big":12345678901234567890123,"n":1.5}}"#;
        let task = foreign_task("greet", written);
        assert_eq!(task.goal, "fix \u{FFFD}");
        let payload = Value::Object(free_form::to_json(&task.payload.unwrap()));
        let expected =
            json!({"id": "1234567890123456789", "big": "12345678901234567890123", "n": 1.5});
        assert_eq!(payload, expected);
        let bare = foreign_task("greet", b"[1]");
        assert_eq!(
            (bare.goal.as_str(), bare.payload),
            ("greet", Some(to_struct(&Map::new())))
        );
    }
}
