//! The lines of stream-json, as far as SHIM reads them. The format is that of
//! `claude -p --output-format stream-json --verbose`: `system`, `assistant` and `user` messages, then a `result`.
//!
//! The format grows: unknown messages and fields are passed over, and a field of another type than expected counts as a
//! missing one. Pure.

use serde_json::Value;

use super::json_line;
use super::result_line::AgentResult;
use super::values::{Tokens, text};

/// A message.
#[derive(Debug)]
pub(super) enum Message {
    Assistant(Turn),
    User(Turn),
    Result(Box<AgentResult>),
    /// What a provider says of its limits.
    RateLimit(Value),
    /// A call of the API failed and is tried again.
    ApiRetry(Value),
    /// A permission was denied.
    Denied(Value),
    Other,
}

/// A turn of the conversation, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) id: String,
    pub(super) blocks: Vec<Block>,
    pub(super) tokens: Tokens,
    /// It is that of an agent within the agent.
    pub(super) is_inner: bool,
    /// The program wrote it itself, in the place of a model's answer.
    pub(super) is_synthetic: bool,
    /// The tool calls that were not permitted.
    pub(super) denied: Vec<String>,
    /// What the call of the API failed by; empty if it did not.
    pub(super) api_error: String,
}

/// A part of a turn.
#[derive(Debug)]
pub(super) enum Block {
    Text(String),
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        content: Value,
        is_error: bool,
    },
}

/// The messages of a line: one, as a rule.
pub(super) fn messages(line: &[u8]) -> Vec<Message> {
    json_line::objects(line).iter().map(message).collect()
}

fn message(line: &Value) -> Message {
    match line["type"].as_str() {
        Some("assistant") => turn(line).map_or(Message::Other, Message::Assistant),
        Some("user") => turn(line).map_or(Message::Other, Message::User),
        Some("result") => Message::Result(Box::new(AgentResult::of(line))),
        Some("rate_limit_event") => Message::RateLimit(line.clone()),
        Some("system") => match line["subtype"].as_str() {
            Some("api_retry") => Message::ApiRetry(line.clone()),
            Some("permission_denied") => Message::Denied(line.clone()),
            _ => Message::Other,
        },
        Some(_) => Message::Other,
        // A type that cannot be read hides no result.
        None if AgentResult::is_like(line) => Message::Result(Box::new(AgentResult::of(line))),
        None => Message::Other,
    }
}

fn turn(line: &Value) -> Option<Turn> {
    let message = line.get("message").filter(|message| message.is_object())?;
    Some(Turn {
        id: text(message, "id"),
        blocks: blocks(&message["content"]),
        tokens: Tokens::of(&message["usage"]),
        is_inner: line["parent_tool_use_id"].is_string(),
        is_synthetic: message["model"] == "<synthetic>" || line["isApiErrorMessage"] == true,
        denied: denied(&line["tool_result_meta"]),
        api_error: text(line, "error"),
    })
}

/// The blocks of a message; plain text counts as one.
fn blocks(content: &Value) -> Vec<Block> {
    match content {
        Value::String(text) => vec![Block::Text(text.clone())],
        Value::Array(blocks) => blocks.iter().filter_map(block).collect(),
        _ => Vec::new(),
    }
}

fn block(block: &Value) -> Option<Block> {
    Some(match block["type"].as_str()? {
        "text" => Block::Text(block["text"].as_str()?.to_owned()),
        "tool_use" => Block::ToolUse {
            id: text(block, "id"),
            name: text(block, "name"),
            input: block["input"].clone(),
        },
        "tool_result" => Block::ToolResult {
            tool_use_id: text(block, "tool_use_id"),
            content: block["content"].clone(),
            is_error: block["is_error"] == true,
        },
        _ => return None,
    })
}

/// The tool calls of a user message that were denied.
fn denied(meta: &Value) -> Vec<String> {
    let calls = meta.as_array().into_iter().flatten();
    let is_denied = |call: &&Value| {
        let decision = call["permission_decision"].as_str().unwrap_or_default();
        ["den", "reject", "block"]
            .iter()
            .any(|word| decision.starts_with(word))
    };
    calls
        .filter(is_denied)
        .map(|call| text(call, "id"))
        .collect()
}
