//! Transcripts for tests, in the form in which version 2.1.332 writes them.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The conversation of all samples.
pub(super) const ID: &str = "5d36536c-472f-4fde-b675-86c5460d483c";

/// A transcript that is put together line by line.
pub(super) struct Sample {
    lines: Vec<Vec<u8>>,
    /// Seconds since the first line.
    second: u32,
    pub(super) folder: TempDir,
}

impl Sample {
    pub(super) fn new() -> Self {
        Self {
            lines: Vec::new(),
            second: 0,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Adds a line of this kind with these fields beside those that all lines have.
    pub(super) fn line(&mut self, kind: &str, fields: Value) -> &mut Self {
        self.second += 1;
        let (minute, second) = (self.second / 60, self.second % 60);
        let mut line = json!({"type": kind, "uuid": format!("line-{}", self.second), "sessionId": ID,
            "timestamp": format!("2024-05-01T10:{minute:02}:{second:02}.250Z"), "cwd": "/work/app", "version": "2.1.332",
            "isSidechain": false});
        line.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.raw(line.to_string())
    }

    pub(super) fn raw(&mut self, line: impl Into<Vec<u8>>) -> &mut Self {
        self.lines.push(line.into());
        self
    }

    pub(super) fn prompt(&mut self, id: &str, text: &str) -> &mut Self {
        let message = json!({"role": "user", "content": text});
        self.line("user", json!({"promptId": id, "promptSource": "typed", "origin": {"kind": "human"}, "message": message}))
    }

    pub(super) fn assistant(&mut self, message: &str, stop: &str, block: Value) -> &mut Self {
        let usage = json!({"input_tokens": 200, "output_tokens": 40, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1_000});
        self.line(
            "assistant",
            json!({"message": {"id": message, "role": "assistant", "model": "claude-opus-5-5",
            "content": [block], "stop_reason": stop, "usage": usage}}),
        )
    }

    pub(super) fn call(&mut self, id: &str, tool: &str, input: Value) -> &mut Self {
        let block = json!({"type": "tool_use", "id": id, "name": tool, "input": input});
        self.assistant(&format!("msg-{id}"), "tool_use", block)
    }

    pub(super) fn words(&mut self, message: &str, text: &str) -> &mut Self {
        self.assistant(message, "end_turn", json!({"type": "text", "text": text}))
    }

    pub(super) fn result(&mut self, id: &str, text: &str) -> &mut Self {
        self.outcome(
            id,
            text,
            false,
            json!({"permissionDecision": {"decision": "accept"}}),
        )
    }

    pub(super) fn failure(&mut self, id: &str, text: &str, fields: Value) -> &mut Self {
        self.outcome(id, text, true, fields)
    }

    fn outcome(&mut self, id: &str, text: &str, is_error: bool, fields: Value) -> &mut Self {
        let block = json!({"type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error});
        let mut all = json!({"promptId": "p1", "message": {"role": "user", "content": [block]}});
        all.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        self.line("user", all)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.lines.join(&b'\n');
        bytes.push(b'\n');
        bytes
    }

    /// Writes it where the client would.
    pub(super) fn write(&self) -> PathBuf {
        let path = self.folder.path().join(format!("{ID}.jsonl"));
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}
