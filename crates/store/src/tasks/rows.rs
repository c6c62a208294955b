//! Tasks as they are stored: what never changes of one as its message, and what does as fields of a hash.

use std::collections::HashMap;

use prost::Message;
use prost_types::Timestamp;
use redis::{FromRedisValue, ParsingError, Value};
use shim_proto::coordination::v1::{Task, TaskCounts, TaskError, TaskResult, TaskState, Usage};
use shim_runtime::trace::TraceContext;

use super::super::clock::timestamp;
use super::super::json;
use super::super::reply::Reply;
use crate::error::Error;

/// A task as a script tells it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    spec: Vec<u8>,
    fields: HashMap<String, String>,
    texts: HashMap<String, Vec<u8>>,
}

impl FromRedisValue for Row {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (id, spec, fields, texts) = FromRedisValue::from_redis_value(value)?;
        Ok(Self {
            id,
            spec,
            fields,
            texts,
        })
    }
}

/// Every task that is left in a reply.
pub(super) fn tasks(reply: &mut Reply) -> Result<Vec<Task>, Error> {
    Row::all(reply)?.iter().map(Row::task).collect()
}

/// What is stored of a task for good: all that its submitter said, and in which trace.
pub(super) fn stored(task: &Task, trace_context: TraceContext) -> Vec<u8> {
    Task {
        task_id: String::new(),
        root_id: String::new(),
        priority: 0,
        max_attempts: 0,
        deadline: None,
        traceparent: trace_context.to_string(),
        ..task.clone()
    }
    .encode_to_vec()
}

impl Row {
    pub(super) fn all(reply: &mut Reply) -> Result<Vec<Self>, Error> {
        reply.rest()
    }

    /// A field of the record; empty if it has none.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The root of its job, which may be itself.
    fn root(&self) -> &str {
        match self.field("root") {
            "" => &self.id,
            root => root,
        }
    }

    pub(super) fn state(&self) -> TaskState {
        let number: i32 = self.field("state").parse().unwrap_or_default();
        TaskState::try_from(number).unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.texts.get(name).map_or_else(String::new, |text| {
            String::from_utf8_lossy(text).into_owned()
        })
    }

    /// The task on the wire.
    pub(super) fn task(&self) -> Result<Task, Error> {
        let Ok(spec) = Task::decode(self.spec.as_slice()) else {
            tracing::error!(task = self.id, "a task's record is damaged");
            return Err(Error::Defect);
        };
        let mut task = Task {
            state: self.state().into(),
            root_id: self.root().to_owned(),
            priority: self.number("priority"),
            max_attempts: self.number("most"),
            attempts: self.number("attempts"),
            worker_deaths: self.number("deaths"),
            not_before: self.time("from"),
            deadline: self.time("deadline"),
            note: self.text("note"),
            worker_id: self.field("worker").to_owned(),
            worker_session_id: self.field("session").to_owned(),
            checkpoint_id: self.field("checkpoint").to_owned(),
            created_at: self.time("created"),
            ready_at: self.time("ready"),
            started_at: self.time("started"),
            reported_at: self.time("reported"),
            finished_at: self.time("ended"),
            stuck: self.field("stuck") == "1",
            usage: self.usage(),
            error: self.error(),
            result: self.result(),
            subtasks: self.counts(),
            ..spec
        };
        task.progress = self.progress(&task);
        task.task_id.clone_from(&self.id);
        Ok(task)
    }

    fn number<T: std::str::FromStr + Default>(&self, name: &str) -> T {
        self.field(name).parse().unwrap_or_default()
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        self.field(name).parse().ok().map(timestamp)
    }

    fn progress(&self, task: &Task) -> f64 {
        let all: f64 = self.number("all");
        match (&task.subtasks, TaskState::try_from(task.state)) {
            (Some(_), Ok(TaskState::Completed)) => 1.0,
            (Some(_), _) if all > 0.0 => (self.number::<f64>("done") / all).clamp(0.0, 1.0),
            _ => self.number("progress"),
        }
    }

    fn counts(&self) -> Option<TaskCounts> {
        let total = self.field("total").parse().ok()?;
        let of = |state: TaskState| self.number::<u32>(&format!("in{}", i32::from(state)));
        Some(TaskCounts {
            total,
            waiting: of(TaskState::Pending)
                + of(TaskState::Delayed)
                + of(TaskState::AwaitingApproval),
            ready: of(TaskState::Ready),
            running: of(TaskState::Running),
            completed: of(TaskState::Completed),
            failed: of(TaskState::Failed),
            cancelled: of(TaskState::Cancelled),
        })
    }

    fn usage(&self) -> Option<Usage> {
        let usage = Usage {
            input_tokens: self.number("input"),
            output_tokens: self.number("output"),
            cost_usd: self.number("cost"),
        };
        (usage != Usage::default()).then_some(usage)
    }

    fn error(&self) -> Option<TaskError> {
        self.texts.contains_key("reason").then(|| TaskError {
            reason: self.text("reason"),
            message: self.text("message"),
        })
    }

    /// What a worker of ours stored, or what another program's worker returned.
    fn result(&self) -> Option<TaskResult> {
        if let Some(stored) = self.texts.get("result") {
            return TaskResult::decode(stored.as_slice()).ok();
        }
        let returned = serde_json::from_slice(self.texts.get("json")?).ok()?;
        Some(match returned {
            serde_json::Value::String(text) => TaskResult {
                text,
                ..TaskResult::default()
            },
            serde_json::Value::Object(data) => TaskResult {
                data: Some(json::to_struct(&data)),
                ..TaskResult::default()
            },
            other => TaskResult {
                text: other.to_string(),
                ..TaskResult::default()
            },
        })
    }
}
