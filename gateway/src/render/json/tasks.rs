//! Tasks, their events and results, and the queues they wait in.

use serde_json::{Value, json};
use shim_proto::coordination::v1::{
    MissingResult, QueueHealthResponse, QueueReport, Requirements, Task, TaskCounts, TaskError,
    TaskResult, WorkerKind,
};
use shim_render::text::one_line;
use shim_render::{time, words};
use shim_runtime::files::shown;

use super::fields::{object, set_if, set_list};

/// The part of a result that an answer holds: clients put an answer of more than 50,000 characters aside, and show its
/// beginning.
const MAX_RESULT_CHARACTERS: usize = 40_000;

/// A result as far as an answer can hold it.
pub(crate) struct ShownResult<'a> {
    pub(crate) text: &'a str,
    pub(crate) data: Option<Value>,
    /// Something was left out.
    pub(crate) is_cut: bool,
}

impl<'a> ShownResult<'a> {
    pub(crate) fn of(result: &'a TaskResult) -> Self {
        let (text, room) = beginning(&result.text, MAX_RESULT_CHARACTERS);
        let whole = result.data.as_ref().map(object);
        let data = whole.filter(|data| data.to_string().encode_utf16().count() <= room);
        Self {
            is_cut: text.len() < result.text.len() || (result.data.is_some() && data.is_none()),
            text,
            data,
        }
    }
}

/// As much of a text as has room as JSON, and the room that is left.
fn beginning(text: &str, mut room: usize) -> (&str, usize) {
    for (at, character) in text.char_indices() {
        let size = match character {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            control if control < ' ' => 6,
            other => other.len_utf16(),
        };
        if size > room {
            return (&text[..at], 0);
        }
        room -= size;
    }
    (text, room)
}

/// A task with all that is known of it.
pub(crate) fn task(task: &Task) -> Value {
    let mut value = json!({
        "task_id": task.task_id,
        "goal": task.goal,
        "state": words::task_state(task.state()),
        "progress": task.progress,
        "priority": task.priority,
        "attempts": task.attempts,
        "max_attempts": task.max_attempts,
    });
    for (name, text) in [
        ("id", &task.key),
        ("kind", &task.kind),
        ("note", &task.note),
        ("workspace", &task.workspace),
        ("worker_id", &task.worker_id),
        ("checkpoint_id", &task.checkpoint_id),
        ("submitted_by", &task.submitted_by),
        ("schedule", &task.schedule),
        ("scheduled_by", &task.scheduled_by),
    ] {
        set_if(&mut value, name, text);
    }
    let files: Vec<String> = task.files.iter().map(|file| shown(file)).collect();
    set_list(&mut value, "files", &files);
    set_list(&mut value, "after", &task.depends_on);
    if let Some(wanted) = &task.requirements {
        requirements(&mut value, wanted);
    }
    if let Some(budget) = task.max_budget {
        value["max_budget"] = budget.into();
    }
    holds(&mut value, task);
    lineage(&mut value, task);
    times(&mut value, task);
    outcome(&mut value, task);
    value
}

/// What holds a ready task up, though a worker may be free.
fn holds(value: &mut Value, task: &Task) {
    if task.queue_paused {
        value["queue_paused"] = true.into();
    }
    if let Some(wait) = &task.file_wait {
        let mut held = json!({"file": wait.wanted, "leased": wait.pattern, "holder": wait.holder});
        set_if(&mut held, "purpose", &wait.purpose);
        set_if(&mut held, "since", &time::rfc3339(wait.since.as_ref()));
        set_if(&mut held, "until", &time::rfc3339(wait.until.as_ref()));
        value["waits_for_files"] = held;
    }
}

/// Where a job stands, and the runs of a schedule.
fn lineage(value: &mut Value, task: &Task) {
    if task.root_id != task.task_id {
        set_if(value, "job_id", &task.root_id);
    }
    set_if(value, "parent_task_id", &task.parent_id);
    if task.depth > 0 {
        value["depth"] = task.depth.into();
    }
    if !task.schedule.is_empty() {
        value["overlap"] = words::overlap_policy(task.overlap()).into();
        value["runs"] = task.runs.into();
        value["runs_left_out"] = task.runs_left_out.into();
        set_if(value, "last_run_id", &task.last_run_id);
    }
}

fn times(value: &mut Value, task: &Task) {
    for (name, at) in [
        ("created_at", &task.created_at),
        ("not_before", &task.not_before),
        ("deadline", &task.deadline),
        ("started_at", &task.started_at),
        ("reported_at", &task.reported_at),
        ("finished_at", &task.finished_at),
    ] {
        set_if(value, name, &time::rfc3339(at.as_ref()));
    }
}

fn outcome(value: &mut Value, task: &Task) {
    if task.worker_deaths > 0 {
        value["worker_deaths"] = task.worker_deaths.into();
    }
    if task.stuck {
        value["stuck"] = true.into();
    }
    if let Some(payload) = &task.payload {
        value["payload"] = object(payload);
    }
    if let Some(found) = &task.result {
        value["result"] = result(found);
    }
    if let Some(failure) = &task.error {
        value["error"] = error(failure);
    }
    if let Some(counted) = &task.subtasks {
        value["subtask_counts"] = counts(counted);
    }
    if let Some(usage) = task.usage.filter(|usage| *usage != Default::default()) {
        value["usage"] = json!({
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": usage.cost_usd,
        });
        if usage.incomplete {
            value["usage"]["at_least"] = true.into();
        }
    }
}

fn requirements(value: &mut Value, wanted: &Requirements) {
    set_list(value, "requirements", &wanted.capabilities);
    if wanted.executor() != WorkerKind::Unspecified {
        value["executor"] = words::worker_kind(wanted.executor()).into();
    }
}

/// A task among others: what a table shows of it.
pub(crate) fn subtask(task: &Task) -> Value {
    let mut value = json!({
        "task_id": task.task_id,
        "goal": one_line(&task.goal, 200),
        "state": words::task_state(task.state()),
        "progress": task.progress,
    });
    set_if(&mut value, "id", &task.key);
    set_if(&mut value, "worker_id", &task.worker_id);
    set_if(&mut value, "note", &one_line(&task.note, 200));
    set_list(&mut value, "after", &task.depends_on);
    if task.attempts > 1 {
        value["attempts"] = task.attempts.into();
    }
    if task.stuck {
        value["stuck"] = true.into();
    }
    holds(&mut value, task);
    if let Some(failure) = &task.error {
        value["error"] = error(failure);
    }
    if let Some(counted) = &task.subtasks {
        value["subtask_counts"] = counts(counted);
    }
    value
}

fn counts(counted: &TaskCounts) -> Value {
    json!({
        "total": counted.total,
        "waiting": counted.waiting,
        "ready": counted.ready,
        "running": counted.running,
        "completed": counted.completed,
        "failed": counted.failed,
        "cancelled": counted.cancelled,
    })
}

/// A result as far as an answer can hold it.
pub(crate) fn result(result: &TaskResult) -> Value {
    let shown = ShownResult::of(result);
    let mut value = json!({"text": shown.text});
    if shown.is_cut || result.truncated {
        value["truncated"] = true.into();
    }
    if let Some(data) = shown.data {
        value["data"] = data;
    }
    set_list(&mut value, "artifacts", &result.artifacts);
    set_list(&mut value, "denials", &result.denials);
    set_list(&mut value, "remarks", &result.remarks);
    if let Some(code) = result.exit_code {
        value["exit_code"] = code.into();
    }
    value
}

fn error(error: &TaskError) -> Value {
    json!({"reason": error.reason, "message": error.message})
}

pub(crate) fn missing(missing: &MissingResult) -> Value {
    let mut value = json!({
        "task_id": missing.task_id,
        "id": missing.key,
        "state": words::task_state(missing.state()),
    });
    if let Some(failure) = &missing.error {
        value["error"] = error(failure);
    }
    value
}

pub(crate) fn queue(health: &QueueHealthResponse) -> Value {
    json!({
        "queues": health.queues.iter().map(one_queue).collect::<Vec<_>>(),
        "completed_last_minute": health.completed_last_minute,
        "failed_last_minute": health.failed_last_minute,
        "dead_letters": health.dead_letters,
        "awaiting_approval": health.awaiting_approval,
        "outbox": health.outbox,
        "dead_letters_forgotten": health.dead_letters_forgotten,
    })
}

fn one_queue(queue: &QueueReport) -> Value {
    let depths = queue.depths.iter();
    let mut value = json!({
        "name": queue.name,
        "waiting": queue.waiting,
        "delayed": queue.delayed,
        "active": queue.active,
        "workers": queue.workers,
        "room": queue.room,
        "starving": queue.starving,
        "saturated": queue.saturated,
        "depths": depths.map(|depth| json!({"priority": depth.priority, "depth": depth.depth})).collect::<Vec<_>>(),
    });
    if let Some(wanted) = &queue.requirements {
        requirements(&mut value, wanted);
    }
    if queue.paused {
        value["paused"] = true.into();
    }
    if queue.max_active > 0 {
        value["max_active"] = queue.max_active.into();
    }
    if let Some(left) = time::duration(queue.rate_limited_for) {
        value["rate_limited_for_seconds"] = left.as_secs_f64().into();
    }
    if queue.unfit > 0 {
        value["unfit"] = queue.unfit.into();
        set_if(&mut value, "unfit_why", &queue.unfit_why);
        set_if(&mut value, "fit_at", &time::rfc3339(queue.fit_at.as_ref()));
    }
    let oldest = time::duration(queue.oldest_age);
    if let Some(oldest) = oldest {
        value["oldest_age_seconds"] = oldest.as_secs().into();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_fits_into_an_answer_whatever_it_is_made_of() {
        for unit in ["a", "\"", "\n", "\u{1}", "日", "🦀"] {
            let whole = TaskResult {
                text: unit.repeat(60_000),
                ..TaskResult::default()
            };
            let shown = result(&whole);
            let size = shown.to_string().encode_utf16().count();
            assert!(size < 41_000 && size > 39_000, "{unit:?}: {size}");
            assert_eq!(shown["truncated"], true);
        }
        assert_eq!(beginning("ab", 2), ("ab", 0));
        assert_eq!(beginning("a\"b", 3), ("a\"", 0));
        assert_eq!(beginning("a\"b", 2), ("a", 0));
    }
}
