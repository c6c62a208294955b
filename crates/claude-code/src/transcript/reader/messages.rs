//! Lines of messages: prompts and results of tools stand in the user's, words and calls in the model's.

use std::path::Path;

use serde_json::Value;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{CwdChanged, PromptSubmitted};

use super::{MAX_SMALL_BYTES, Reader};
use crate::texts::{MAX_TEXT_BYTES, cut};
use crate::tool_input;
use crate::transcript::calls::{Call, End, ToolResult, end, is_side_line};
use crate::transcript::content::{Block, blocks};
use crate::transcript::events::{fitting_name, fitting_path};
use crate::transcript::prompts::{self, UserText};
use crate::transcript::record::{Message, Record, is_true, name, text, value};
use crate::transcript::turns::failed;

/// The subagent of a line that does not name it.
const NAMELESS: &str = "sidechain";
/// Tools whose results say what became of the model's own list of steps.
const PLAN_TOOLS: [&str; 3] = ["TodoWrite", "TaskCreate", "TaskUpdate"];

impl Reader {
    /// What a line of a message says beside the message.
    fn surroundings(&mut self, record: &Record<'_>) {
        let is_side = is_side_line(record);
        self.has_side_lines |= is_side;
        self.has_own_lines |= !is_side;
        if let Some(version) = text(record.version) {
            self.version = fitting_name(&version);
        }
        let cwd = fitting_path(&text(record.cwd).unwrap_or_default());
        if cwd.is_empty() || cwd == self.cwd {
            return;
        }
        let old_cwd = std::mem::replace(&mut self.cwd, cwd);
        if !old_cwd.is_empty() && self.agent_id.is_empty() && !is_side {
            let key = format!("cwd {}", self.line_key);
            self.push(key, Event::CwdChanged(CwdChanged { old_cwd }));
        }
    }

    pub(super) fn user(&mut self, record: &Record<'_>) {
        self.surroundings(record);
        let Some(message) = record.message() else {
            return;
        };
        let content = value(message.content, usize::MAX);
        let blocks = blocks(&content);
        let mut has_result = false;
        for block in &blocks {
            if let Block::Result {
                id,
                content,
                is_error,
            } = *block
            {
                has_result = true;
                self.result(
                    id,
                    &ToolResult {
                        record,
                        content,
                        is_error,
                    },
                );
            }
        }
        let is_of_conversation = self.agent_id.is_empty() && !is_side_line(record);
        if has_result || !is_of_conversation {
            return;
        }
        if is_true(record.is_compact_summary) {
            self.compacted(&texts(&blocks).join("\n"));
        } else if !is_true(record.is_meta) {
            self.prompt(record, &texts(&blocks));
        }
    }

    fn prompt(&mut self, record: &Record<'_>, texts: &[&str]) {
        let origin = value(record.origin, MAX_SMALL_BYTES);
        let origin = origin.get("kind").and_then(Value::as_str);
        let UserText::Prompt { text, by_client } = prompts::judge(texts, origin) else {
            return;
        };
        self.end_turn(false);
        self.queue.began();
        let line = self.line_key.clone();
        let prompt_id = name(record.prompt_id);
        self.prompt_id = if prompt_id.is_empty() {
            line.clone()
        } else {
            prompt_id
        };
        self.submitted(format!("prompt {line}"), &text, by_client);
    }

    pub(super) fn submitted(&mut self, key: String, text: &str, by_client: bool) {
        if !by_client {
            self.last_prompt = None;
        }
        let event = Event::PromptSubmitted(PromptSubmitted {
            prompt_id: self.prompt_id.clone(),
            text: cut(text.trim(), MAX_TEXT_BYTES),
            by_client,
        });
        self.push(key, event);
    }

    fn result(&mut self, id: &str, result: &ToolResult<'_>) {
        if !self.calls.has(id) {
            return;
        }
        // Told as lost when the turn that was told of it ends; until then nobody knows.
        let End::Known(outcome) = end(result) else {
            return;
        };
        let Some(call) = self.calls.take(id) else {
            return;
        };
        let (agent_id, key) = (
            call.agent_id.clone(),
            format!("result {} {id}", self.line_key),
        );
        let event = call.finished(outcome, result);
        self.push_of(agent_id, key, event);
    }

    pub(super) fn assistant(&mut self, record: &Record<'_>) {
        self.surroundings(record);
        let Some(message) = record.message() else {
            return;
        };
        let content = value(message.content, usize::MAX);
        let blocks = blocks(&content);
        if text(message.model).as_deref() == Some("<synthetic>") {
            if is_true(record.is_api_error_message) && self.agent_id.is_empty() {
                let key = format!("failed {}", self.line_key);
                self.push(key, failed(record, &texts(&blocks).join("\n")));
            }
            return;
        }
        for block in &blocks {
            if let Block::Call { id, tool, input } = *block {
                self.call(record, id, tool, input);
            }
        }
        if !self.agent_id.is_empty() || !is_side_line(record) {
            self.answer(&message, &blocks);
        }
    }

    /// Follows the model's words; the blocks of a message come in lines of their own.
    fn answer(&mut self, message: &Message<'_>, blocks: &[Block<'_>]) {
        let id = Some(name(message.id)).filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| self.line_key.clone());
        if self.turn.is_other(&id) {
            self.end_turn(false);
            self.turn.begin(&id);
        }
        let has_calls = blocks
            .iter()
            .any(|block| matches!(block, Block::Call { .. }));
        let stop_reason = text(message.stop_reason).unwrap_or_default();
        self.turn
            .add(&texts(blocks), has_calls, &stop_reason, self.at);
        if self.agent_id.is_empty() {
            let usage = value(message.usage, MAX_SMALL_BYTES);
            self.usage
                .message(&id, &usage, &name(message.model), self.at);
        }
    }

    fn call(&mut self, record: &Record<'_>, id: &str, tool: &str, input: &Value) {
        let (tool_use_id, tool_name) = (fitting_name(id), fitting_name(tool));
        if tool_use_id.is_empty() || tool_name.is_empty() {
            return;
        }
        let described = tool_input::describe(&tool_name, input, Path::new(&self.cwd));
        let is_plan = PLAN_TOOLS.contains(&tool_name.as_str());
        self.calls.begin(Call {
            plan_input: is_plan.then(|| input.clone()),
            agent_id: self.agent_of(record),
            prompt_id: self.prompt_id.clone(),
            at: self.at,
            cwd: self.cwd.clone(),
            summary: described.summary,
            files: described.files,
            tool_use_id,
            tool_name,
        });
    }

    /// The subagent that a line is of; empty for the conversation itself.
    fn agent_of(&self, record: &Record<'_>) -> String {
        if !self.agent_id.is_empty() || !is_side_line(record) {
            return self.agent_id.clone();
        }
        let named = Some(name(record.agent_id)).filter(|id| !id.is_empty());
        named.unwrap_or_else(|| NAMELESS.to_owned())
    }
}

fn texts<'a>(blocks: &[Block<'a>]) -> Vec<&'a str> {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(*text),
        _ => None,
    });
    texts.collect()
}
