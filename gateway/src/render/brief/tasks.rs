//! Shared tasks, what happens to them, and their queues.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use shim_proto::coordination::v1::{QueueHealthResponse, Task, TaskEvent, TaskState};
use shim_render::text::one_line;
use shim_render::{time, words};

use super::facts::{Facts, rounded};
use crate::render::json;
use crate::render::phrases;
use crate::render::workers::WorkerNames;

/// What a job's own answer tells anyway, or nobody acts on.
const LEFT_OUT: [&str; 6] = [
    "created_at",
    "started_at",
    "reported_at",
    "finished_at",
    "after",
    "priority",
];
const MAX_GOAL_CHARACTERS: usize = 80;

/// What the reader of an answer knows: the ids that need not be told again.
pub(crate) struct Known<'a> {
    /// The answer's session; empty if it has none.
    pub(crate) session_id: &'a str,
}

/// A task with all that is to be known of it.
pub(crate) fn task(task: &Task, known: &Known<'_>) -> Value {
    let Value::Object(whole) = json::task(task) else {
        return Value::Null;
    };
    let mut facts: Map<String, Value> = whole
        .into_iter()
        .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
        .collect();
    for id in ["submitted_by", "worker_id"] {
        if facts.get(id).and_then(Value::as_str) == Some(known.session_id) {
            facts.remove(id);
        }
    }
    if task.attempts == 0 {
        facts.remove("max_attempts");
    }
    if task.files.is_empty() {
        facts.remove("workspace");
    }
    if task.priority > 0 {
        facts.insert("priority".to_owned(), task.priority.into());
    }
    if task.state() != TaskState::Delayed {
        facts.remove("not_before");
    }
    facts.insert("progress".to_owned(), rounded(task.progress).into());
    if let Some(Value::Object(counts)) = facts.get_mut("subtask_counts") {
        counts.retain(|_, count| *count != json!(0));
    }
    facts.into()
}

/// The same with the time it was submitted at, as a span.
pub(crate) fn job(job: &Task, known: &Known<'_>) -> Value {
    let mut value = task(job, known);
    if job.created_at.is_some() {
        value["submitted"] = phrases::ago(job.created_at.as_ref()).into();
    }
    value
}

/// A task that its worker reported on.
pub(crate) fn reported(task: &Task) -> Value {
    let error = task
        .error
        .as_ref()
        .map(|error| json!({"reason": error.reason, "message": one_line(&error.message, 200)}));
    let starts = match task.state() {
        TaskState::Delayed => time::rfc3339(task.not_before.as_ref()),
        _ => String::new(),
    };
    let is_failed = matches!(task.state(), TaskState::Delayed | TaskState::Failed);
    Facts::new()
        .set("task_id", task.task_id.as_str())
        .set("state", words::task_state(task.state()))
        .set("progress", rounded(task.progress))
        .set_some("note", one_line(&task.note, MAX_GOAL_CHARACTERS))
        .set_some("checkpoint_id", task.checkpoint_id.as_str())
        .set_some("attempts", if is_failed { task.attempts } else { 0 })
        .set_some(
            "max_attempts",
            if is_failed { task.max_attempts } else { 0 },
        )
        .set_some("not_before", starts)
        .set_some("error", error.filter(|_| is_failed))
        .into()
}

/// What the tasks of a list are told with.
#[derive(Default)]
pub(crate) struct Listing<'a> {
    /// The submitter's names of a job's parts, by id.
    pub(crate) keys: HashMap<&'a str, &'a str>,
    /// The names of workers; unset, the tasks are jobs, told with when they were submitted in place of their workers.
    pub(crate) names: Option<&'a WorkerNames>,
}

impl Listing<'_> {
    /// A task among others. What it comes after and its worker are told by their names.
    pub(crate) fn task(&self, task: &Task) -> Value {
        let Value::Object(mut facts) = json::subtask(task) else {
            return Value::Null;
        };
        facts.remove("after");
        facts.remove("worker_id");
        if let Some(Value::Object(counts)) = facts.get_mut("subtask_counts") {
            counts.retain(|_, count| *count != json!(0));
        }
        let after = task.depends_on.iter();
        let after: Vec<&str> = after
            .map(|id| self.keys.get(id.as_str()).copied().unwrap_or(id))
            .collect();
        let worker = self.names.filter(|_| !task.worker_id.is_empty());
        let more = Facts::new()
            .set("goal", one_line(&task.goal, MAX_GOAL_CHARACTERS))
            .set("progress", rounded(task.progress))
            .set_some("after", after)
            .set_some("worker", worker.map(|names| names.of(&task.worker_id)));
        let more = match self.names {
            Some(_) => more,
            None => more
                .set("priority", task.priority)
                .set("submitted", phrases::ago(task.created_at.as_ref())),
        };
        facts.extend(Map::from(more));
        facts.into()
    }
}

/// A line of a job's log; `key` is the submitter's name of the part, "" for the job itself.
pub(crate) fn event(event: &TaskEvent, key: &str, names: &WorkerNames) -> Value {
    let worker = match event.worker_id.as_str() {
        "" => String::new(),
        id => names.of(id),
    };
    Facts::new()
        .set_some("id", key)
        .set("kind", words::task_event_kind(event.kind()))
        .set_some("progress", rounded(event.progress))
        .set_some("worker", worker)
        .set_some("detail", one_line(&event.detail, 200))
        .into()
}

/// The queues, without what is as usual.
pub(crate) fn queue(health: &QueueHealthResponse) -> Value {
    let mut value = json::queue(health);
    let is_nothing = |value: &Value| value.as_f64() == Some(0.0) || *value == json!([]);
    if let Value::Object(facts) = &mut value {
        facts.retain(|name, value| name == "queues" || !is_nothing(value));
    }
    for queue in value["queues"].as_array_mut().into_iter().flatten() {
        if let Value::Object(facts) = queue {
            facts.retain(|name, value| name == "waiting" || !is_nothing(value));
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::coordination::v1::TaskCounts;

    #[test]
    fn an_id_that_the_answer_has_is_not_told_again() {
        let of = Task {
            task_id: "t".into(),
            worker_id: "s".into(),
            submitted_by: "s".into(),
            max_attempts: 3,
            subtasks: Some(TaskCounts {
                total: 2,
                ready: 2,
                ..TaskCounts::default()
            }),
            ..Task::default()
        };
        let told = task(&of, &Known { session_id: "s" });
        assert_eq!(told.get("worker_id").or(told.get("submitted_by")), None);
        assert_eq!(told.get("max_attempts"), None, "nobody tried it");
        assert_eq!(told["subtask_counts"], json!({"total": 2, "ready": 2}));
        let told = task(
            &of,
            &Known {
                session_id: "other",
            },
        );
        assert_eq!(
            (&told["worker_id"], &told["submitted_by"]),
            (&json!("s"), &json!("s"))
        );
    }

    #[test]
    fn a_part_comes_after_others_by_their_names() {
        let part = Task {
            task_id: "2".into(),
            key: "b".into(),
            depends_on: vec!["1".into(), "unknown".into()],
            ..Task::default()
        };
        let listing = Listing {
            keys: HashMap::from([("1", "a")]),
            names: None,
        };
        let told = listing.task(&part);
        assert_eq!(told["after"], json!(["a", "unknown"]));
    }
}
