//! Calls of tools: those that are open, and how the others ended.

use prost_types::Timestamp;
use serde_json::Value;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ToolCallFinished, ToolCallStarted, ToolOutcome, UsedFile};

use super::content::words;
use super::record::{Record, is_true, text, value};
use crate::texts::{MAX_SUMMARY_BYTES, line_of};
use crate::tool_input::plan_after;

/// Calls whose results did not come; more are never in hand at once.
const MAX_OPEN: usize = 500;
/// A result that says how a step or a command went has less.
const MAX_RESULT_BYTES: usize = 1 << 20;
/// What is known of a call that had no result when its client died.
const LOST: &str = "its outcome is unknown: the client ended before the result came";
/// How older versions word the result of a call that a person stopped, and of one that had no result at a resume.
const STOPPED: [&str; 2] = ["The user doesn't want to", "[Request interrupted by user"];
const UNKNOWN: &str = "[Tool call interrupted: the session ended";

/// A call whose result did not come yet.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) tool_use_id: String,
    pub(super) tool_name: String,
    pub(super) summary: String,
    pub(super) files: Vec<UsedFile>,
    /// The arguments, if they are of the model's own list of steps.
    pub(super) plan_input: Option<Value>,
    pub(super) prompt_id: String,
    pub(super) agent_id: String,
    pub(super) at: Timestamp,
    pub(super) cwd: String,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Known(ToolOutcome),
    /// The client died in it, and said so when it went on.
    Unknown,
}

/// A result of a tool.
pub(super) struct ToolResult<'a> {
    pub(super) record: &'a Record<'a>,
    pub(super) content: &'a Value,
    pub(super) is_error: bool,
}

/// The open calls, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: Vec<Call>,
}

impl Calls {
    /// A call with the id of an earlier one takes its place.
    pub(super) fn begin(&mut self, call: Call) {
        self.open
            .retain(|open| open.tool_use_id != call.tool_use_id);
        if self.open.len() == MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(call);
    }

    /// Takes an open call out, if it is one.
    pub(super) fn take(&mut self, tool_use_id: &str) -> Option<Call> {
        let is_it = |call: &Call| call.tool_use_id == tool_use_id;
        let at = self.open.iter().position(is_it)?;
        Some(self.open.remove(at))
    }

    /// Whether a call is open.
    pub(super) fn has(&self, tool_use_id: &str) -> bool {
        self.open.iter().any(|call| call.tool_use_id == tool_use_id)
    }

    /// Takes the calls out that belong to the conversation itself: its turn ended without their results.
    pub(super) fn lose(&mut self) -> Vec<Call> {
        let is_lost = |call: &mut Call| call.agent_id.is_empty();
        self.open.extract_if(.., is_lost).collect()
    }

    /// Forgets all: their results may stand in what was left out.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    pub(super) fn into_open(self) -> Vec<Call> {
        self.open
    }
}

impl Call {
    /// The event of its beginning.
    pub(super) fn started(&self) -> Event {
        Event::ToolCallStarted(ToolCallStarted {
            tool_use_id: self.tool_use_id.clone(),
            tool_name: self.tool_name.clone(),
            summary: self.summary.clone(),
            files: self.files.clone(),
            prompt_id: self.prompt_id.clone(),
        })
    }

    /// The event of its end.
    pub(super) fn finished(self, outcome: ToolOutcome, result: &ToolResult<'_>) -> Event {
        let said = words(result.content);
        let error = match outcome {
            ToolOutcome::Succeeded | ToolOutcome::Unspecified => String::new(),
            _ => line_of(without_tags(&said), MAX_SUMMARY_BYTES),
        };
        let plan = self
            .plan_input
            .as_ref()
            .filter(|_| outcome == ToolOutcome::Succeeded);
        let plan = plan.and_then(|input| {
            let told = value(result.record.tool_use_result, MAX_RESULT_BYTES);
            let response = if told.is_object() {
                told
            } else {
                Value::String(said.clone())
            };
            plan_after(&self.tool_name, input, &response)
        });
        Event::ToolCallFinished(ToolCallFinished {
            tool_use_id: self.tool_use_id,
            tool_name: self.tool_name,
            summary: self.summary,
            files: self.files,
            outcome: outcome.into(),
            duration: None,
            error,
            result_bytes: said.len() as u64,
            plan,
        })
    }

    /// The event of its end when its result never came.
    pub(super) fn lost(self) -> Event {
        Event::ToolCallFinished(ToolCallFinished {
            tool_use_id: self.tool_use_id,
            tool_name: self.tool_name,
            summary: self.summary,
            files: self.files,
            outcome: ToolOutcome::Interrupted.into(),
            error: LOST.to_owned(),
            ..ToolCallFinished::default()
        })
    }
}

/// How a call ended by its result.
pub(super) fn end(result: &ToolResult<'_>) -> End {
    let record = result.record;
    let decision = value(record.permission_decision, MAX_RESULT_BYTES);
    let is_rejected = decision.get("decision").and_then(Value::as_str) == Some("reject");
    match text(record.tool_denial_kind).as_deref() {
        Some("interrupted") => return End::Unknown,
        Some("user-rejected") if !is_rejected => return End::Known(ToolOutcome::Interrupted),
        Some(_) => return End::Known(ToolOutcome::Denied),
        None => {}
    }
    if !result.is_error {
        let told = value(record.tool_use_result, MAX_RESULT_BYTES);
        let is_stopped = told.get("interrupted") == Some(&Value::Bool(true));
        let outcome = if is_stopped {
            ToolOutcome::Interrupted
        } else {
            ToolOutcome::Succeeded
        };
        return End::Known(outcome);
    }
    let said = words(result.content);
    if said.starts_with(UNKNOWN) {
        End::Unknown
    } else if STOPPED.iter().any(|begin| said.starts_with(begin)) {
        End::Known(ToolOutcome::Interrupted)
    } else if said.starts_with("Permission to use ") || is_rejected {
        End::Known(ToolOutcome::Denied)
    } else {
        End::Known(ToolOutcome::Failed)
    }
}

/// Whether the line is of a subagent whose lines stand in the conversation's own file, as in older versions.
pub(super) fn is_side_line(record: &Record<'_>) -> bool {
    is_true(record.is_sidechain)
}

fn without_tags(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("<tool_use_error>");
    inner.map_or(text, |inner| {
        inner.strip_suffix("</tool_use_error>").unwrap_or(inner)
    })
}
