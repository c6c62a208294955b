//! One call of a tool, and its answer: text, and the same facts as JSON.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value, json};
use shim_proto::checkpoint::v1::ClientInfo;
use shim_render::page::Page;
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
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

/// The answer of a tool.
#[derive(Default)]
pub(super) struct ToolOutput {
    pub(super) session_id: Option<String>,
    pub(super) text: Page,
    pub(super) structured: Map<String, Value>,
}

impl ToolOutput {
    pub(super) fn new(text: impl Into<Page>, structured: Value) -> Self {
        let structured = if let Value::Object(structured) = structured {
            structured
        } else {
            Map::new()
        };
        Self {
            session_id: None,
            text: text.into(),
            structured,
        }
    }

    pub(super) fn with_session(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }

    /// The answer of a tool that did nothing.
    pub(super) fn of_error(error: &ToolError) -> Self {
        let answer = Self::new(error.text(), json!({"error": error.structured()}));
        Self {
            session_id: error.session_id().map(str::to_owned),
            ..answer
        }
    }

    /// The result for the client, with what every answer has: the session and its notices.
    pub(super) fn into_result(self, notices: Vec<Value>, is_error: bool) -> CallToolResult {
        let Self {
            session_id,
            mut text,
            mut structured,
        } = self;
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
        structured.insert("session_id".to_owned(), session_id.into());
        structured.insert("notices".to_owned(), notices.into());
        let mut result = CallToolResult::success(vec![ContentBlock::text(text.to_string())]);
        result.structured_content = Some(Value::Object(structured));
        result.is_error = Some(is_error);
        result
    }
}
