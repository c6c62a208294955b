//! Tasks as they are stored: what never changes of one as its message, and what does as fields of a hash.

use prost::Message;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::{Task, TaskCounts, TaskError, TaskResult, TaskState, Usage};
use shim_runtime::json_text;
use shim_runtime::trace::TraceContext;

use super::record::{Record, pairs};
use crate::clock::timestamp;
use crate::error::Error;
use crate::json;

/// A task as a script reads it.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    /// All that its submitter said.
    spec: ByteBuf,
    #[serde(deserialize_with = "pairs")]
    pub(super) record: Record,
    #[serde(deserialize_with = "pairs")]
    texts: Texts,
}

/// The texts of a task, as far as they were read; see [`super::reader::TextSelection`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Texts {
    reason: Option<ByteBuf>,
    message: Option<ByteBuf>,
    note: Option<ByteBuf>,
    /// What a worker of SHIM stored.
    result: Option<ByteBuf>,
    /// What another program's worker returned.
    json: Option<ByteBuf>,
}

/// What is stored of a task for good: all that its submitter said, and in which trace.
pub(super) fn stored(task: &Task, trace_context: TraceContext) -> ByteBuf {
    let spec = Task {
        task_id: String::new(),
        root_id: String::new(),
        priority: 0,
        max_attempts: 0,
        deadline: None,
        traceparent: trace_context.to_string(),
        ..task.clone()
    };
    ByteBuf::from(spec.encode_to_vec())
}

impl Row {
    pub(super) fn state(&self) -> TaskState {
        self.record.state()
    }

    /// What went wrong, for people; empty if nothing did.
    pub(super) fn message(&self) -> String {
        text(self.texts.message.as_ref())
    }

    /// The task on the wire.
    ///
    /// # Errors
    /// `Defect` if its record is damaged.
    pub(super) fn task(&self) -> Result<Task, Error> {
        let Ok(spec) = Task::decode(self.spec.as_slice()) else {
            tracing::error!(task = self.id, "a task's record is damaged");
            return Err(Error::Defect);
        };
        let record = &self.record;
        let root_id = if record.root.is_empty() {
            &self.id
        } else {
            &record.root
        };
        let time = |at: Option<i64>| at.map(timestamp);
        Ok(Task {
            task_id: self.id.clone(),
            root_id: root_id.clone(),
            state: self.state().into(),
            priority: record.priority,
            max_attempts: record.max_attempts,
            attempts: record.attempts,
            worker_deaths: record.deaths,
            not_before: time(record.not_before_ms),
            deadline: time(record.deadline_ms),
            note: text(self.texts.note.as_ref()),
            worker_id: record.worker.clone(),
            worker_session_id: record.session.clone(),
            checkpoint_id: record.checkpoint.clone(),
            created_at: time(record.created_ms),
            ready_at: time(record.ready_ms),
            started_at: time(record.started_ms),
            reported_at: time(record.reported_ms),
            finished_at: time(record.ended_ms),
            stuck: record.stuck == "1",
            usage: self.usage(),
            error: self.error(),
            result: self.result(),
            subtasks: self.counts(),
            progress: self.progress(),
            ..self.with_lineage(spec)
        })
    }

    /// The task with what is kept of where it stands, and of its runs.
    fn with_lineage(&self, spec: Task) -> Task {
        let record = &self.record;
        Task {
            parent_id: record.parent.clone(),
            depth: record.depth,
            runs: record.runs,
            runs_left_out: record.left_out,
            last_run_id: record.last_run.clone(),
            ..spec
        }
    }

    fn progress(&self) -> f64 {
        let record = &self.record;
        match (record.subtasks, self.state()) {
            (Some(_), TaskState::Completed) => 1.0,
            (Some(_), _) if record.whole_weight > 0.0 => {
                (record.done_weight / record.whole_weight).clamp(0.0, 1.0)
            }
            _ => record.progress,
        }
    }

    fn counts(&self) -> Option<TaskCounts> {
        let record = &self.record;
        Some(TaskCounts {
            total: record.subtasks?,
            waiting: record.pending + record.delayed + record.awaiting_approval,
            ready: record.ready,
            running: record.running,
            completed: record.completed,
            failed: record.failed,
            cancelled: record.cancelled,
        })
    }

    fn usage(&self) -> Option<Usage> {
        let usage = Usage {
            input_tokens: self.record.input_tokens,
            output_tokens: self.record.output_tokens,
            cost_usd: self.record.cost_usd,
            incomplete: self.record.is_cost_incomplete(),
        };
        (usage != Usage::default()).then_some(usage)
    }

    fn error(&self) -> Option<TaskError> {
        self.texts.reason.as_ref().map(|reason| TaskError {
            reason: text(Some(reason)),
            message: self.message(),
        })
    }

    fn result(&self) -> Option<TaskResult> {
        if let Some(stored) = &self.texts.result {
            return TaskResult::decode(stored.as_slice()).ok();
        }
        let returned = json_text::mend(self.texts.json.as_ref()?);
        let returned = serde_json::from_str(&returned).ok()?;
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

fn text(bytes: Option<&ByteBuf>) -> String {
    bytes.map_or_else(String::new, |bytes| {
        String::from_utf8_lossy(bytes).into_owned()
    })
}
