//! One call of a tool, and its answer: text, and the same facts as JSON. Some clients show a model nothing but the facts of a
//! success and nothing but the text of an error, others nothing but text, so each of the two has all of it.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value};
use shim_proto::checkpoint::v1::ClientInfo;
use shim_render::page::Page;
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::render::brief::{Facts, Known};
use crate::render::phrases;
use crate::tool_error::ToolError;

/// A notice in the text: more than the longest message with its sender. Some clients show nothing but the text, and what
/// an answer told is acknowledged.
const MAX_NOTICE_CHARACTERS: usize = 17 << 10;

/// One call.
pub(super) struct ToolCall {
    pub(super) gateway: Arc<Gateway>,
    pub(super) client: ClientInfo,
    pub(super) arguments: Arguments,
    /// Cancelled once the client does not wait for the answer any more.
    pub(super) cancelled: CancellationToken,
}

impl ToolCall {
    /// The session a call that only looks is about; none is opened for it.
    pub(super) fn context_session_id(&self) -> Option<String> {
        match self.arguments.text("session_id") {
            Some(session_id) => Some(self.gateway.sessions.current_id(session_id)),
            None => self.gateway.sessions.default_id(),
        }
    }
}

/// What the reader of an answer about this session knows.
pub(super) fn known(session_id: Option<&String>) -> Known<'_> {
    Known {
        session_id: session_id.map_or("", String::as_str),
    }
}

/// The line of a text that says what can be done now.
pub(super) fn next_line(step: &str) -> String {
    format!("Next: {step}.")
}

/// The answer of a tool.
#[derive(Default)]
pub(super) struct ToolOutput {
    pub(super) session_id: Option<String>,
    pub(super) text: Page,
    pub(super) structured: Map<String, Value>,
    /// What can be done now. An error tells it in its own words.
    next_step: Option<String>,
    is_next_told: bool,
}

impl ToolOutput {
    /// The answer of a tool that did what it was asked. `next_step` is ours, without its full stop.
    pub(super) fn new(
        text: impl Into<Page>,
        facts: impl Into<Map<String, Value>>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            text: text.into(),
            structured: facts.into(),
            next_step: Some(next_step.into()),
            ..Self::default()
        }
    }

    /// The text has the next step already, before what is long.
    pub(super) fn with_next_told(mut self) -> Self {
        self.is_next_told = true;
        self
    }

    /// About this session, if about any.
    pub(super) fn about(mut self, session_id: Option<String>) -> Self {
        self.session_id = session_id;
        self
    }

    pub(super) fn with_session(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }

    /// The answer of a tool that did nothing.
    pub(super) fn of_error(error: &ToolError) -> Self {
        let facts = Facts::new().set("error", error.structured());
        Self {
            session_id: error.session_id().map(str::to_owned),
            text: error.text(),
            structured: facts.into(),
            ..Self::default()
        }
    }

    /// The result for the client, with what every answer has: the session and its notices.
    pub(super) fn into_result(self, notices: Vec<Value>, is_error: bool) -> CallToolResult {
        let Self {
            session_id,
            mut text,
            structured,
            next_step,
            is_next_told,
        } = self;
        if let Some(step) = next_step.as_ref().filter(|_| !is_next_told) {
            text.line(next_line(step));
        }
        if let Some(id) = &session_id {
            text.line(format!("session_id: {id}"));
        }
        for notice in &notices {
            phrases::write_notice(
                &mut text,
                notice["text"].as_str().unwrap_or_default(),
                MAX_NOTICE_CHARACTERS,
            );
            if let Some(data) = notice.get("data") {
                text.line(format!("  data: {data}"));
            }
        }
        let mut facts: Map<String, Value> = Facts::new().set_some("session_id", session_id).into();
        facts.extend(structured);
        let last = Facts::new()
            .set_some("next_step", next_step)
            .set_some("notices", notices);
        facts.extend(Map::from(last));
        let mut result = CallToolResult::success(vec![ContentBlock::text(text.to_string())]);
        result.structured_content = Some(Value::Object(facts));
        result.is_error = Some(is_error);
        result
    }
}
