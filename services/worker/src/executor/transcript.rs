//! The stream-json of a headless agent, line by line: turned into progress and, at the end, a result.

use std::collections::VecDeque;

use serde_json::Value;
use shim_exec::{MAX_NOTE_BYTES, first_line};
use shim_proto::coordination::v1::Usage;
use shim_runtime::ids::CheckpointId;
use shim_work::ProgressUpdate;

use super::stream_json::{AgentResult, Block, Line, Message, Tokens};

/// Agents within an agent write in turns; the tokens of more than so many at once are counted roughly until the result.
const MAX_TRACKED_MESSAGES: usize = 32;
/// The greatest progress before the result: only the result says that an agent is done.
const MAX_UNFINISHED: f64 = 0.99;
/// The tool that saves a checkpoint; a client puts a prefix before its name.
const CHECKPOINT_TOOL: &str = "shim_auto_checkpoint";
/// The fields of a tool's input that say most to people, the best first.
const DESCRIPTIVE_FIELDS: [&str; 8] = [
    "description",
    "command",
    "file_path",
    "path",
    "pattern",
    "query",
    "url",
    "prompt",
];

/// What the agent wrote so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// The usage reported so far; the result brings the sum.
    reported: Usage,
    /// Tokens by message: a message comes in parts, and each part says what the message cost so far.
    messages: VecDeque<(String, Tokens)>,
    /// Unanswered calls that save a checkpoint.
    saving: VecDeque<String>,
    agent_result: Option<AgentResult>,
}

impl Transcript {
    /// Whether the result arrived: nothing of use follows.
    pub(super) fn is_over(&self) -> bool {
        self.agent_result.is_some()
    }

    /// The result, if it arrived.
    pub(super) fn into_result(self) -> Option<AgentResult> {
        self.agent_result
    }

    /// The progress that a line brings. A line that is no message is a sign of life and nothing more.
    pub(super) fn push(&mut self, line: &[u8]) -> ProgressUpdate {
        match serde_json::from_slice(line) {
            Ok(Line::Assistant { message }) => self.on_assistant(&message),
            Ok(Line::User { message }) => self.on_user(&message),
            Ok(Line::Result(agent_result)) => self.on_result(agent_result),
            Ok(Line::Other) | Err(_) => ProgressUpdate::default(),
        }
    }

    fn on_assistant(&mut self, message: &Message) -> ProgressUpdate {
        let mut update = ProgressUpdate {
            usage: self.new_usage(message),
            ..ProgressUpdate::default()
        };
        for block in message.blocks() {
            match block {
                Block::Text { text } => set_note(&mut update, &text),
                Block::ToolUse { id, name, input } => {
                    set_note(&mut update, &describe_call(&name, &input));
                    update.progress = progress(&name, &input).or(update.progress);
                    if name.ends_with(CHECKPOINT_TOOL) {
                        push_bounded(&mut self.saving, id);
                    }
                }
                Block::ToolResult { .. } | Block::Other => {}
            }
        }
        update
    }

    fn on_user(&mut self, message: &Message) -> ProgressUpdate {
        let mut update = ProgressUpdate::default();
        for block in message.blocks() {
            if let Block::ToolResult {
                tool_use_id,
                content,
                is_error,
            } = block
                && let Some(at) = self.saving.iter().position(|id| *id == tool_use_id)
            {
                self.saving.remove(at);
                update.checkpoint_id = checkpoint(&content).filter(|_| !is_error);
            }
        }
        update
    }

    /// The rest of the cost. Where a message was counted twice, the sum errs upwards.
    fn on_result(&mut self, agent_result: AgentResult) -> ProgressUpdate {
        let usage = Usage {
            input_tokens: agent_result
                .usage
                .input_total()
                .saturating_sub(self.reported.input_tokens),
            output_tokens: (agent_result.usage.output_tokens)
                .saturating_sub(self.reported.output_tokens),
            cost_usd: Some(agent_result.total_cost_usd - self.reported.cost_usd)
                .filter(|cost| cost.is_finite() && *cost > 0.0)
                .unwrap_or(0.0),
        };
        add(&mut self.reported, &usage);
        self.agent_result = Some(agent_result);
        ProgressUpdate {
            usage,
            ..ProgressUpdate::default()
        }
    }

    /// What a part of a message cost beyond its earlier parts.
    fn new_usage(&mut self, message: &Message) -> Usage {
        let now = message.usage;
        let earlier = self.messages.iter_mut().rfind(|(id, _)| *id == message.id);
        let before = match earlier {
            Some((_, tokens)) => std::mem::replace(tokens, now),
            None => {
                push_bounded(&mut self.messages, (message.id.clone(), now));
                Tokens::default()
            }
        };
        let usage = Usage {
            input_tokens: now.input_total().saturating_sub(before.input_total()),
            output_tokens: now.output_tokens.saturating_sub(before.output_tokens),
            cost_usd: 0.0,
        };
        add(&mut self.reported, &usage);
        usage
    }
}

fn add(sum: &mut Usage, more: &Usage) {
    sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
    sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
    sum.cost_usd += more.cost_usd;
}

/// Adds to a list of bounded length.
fn push_bounded<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == MAX_TRACKED_MESSAGES {
        list.pop_front();
    }
    list.push_back(item);
}

fn set_note(update: &mut ProgressUpdate, text: &str) {
    let line = first_line(text, MAX_NOTE_BYTES);
    if !line.is_empty() {
        update.note = Some(line);
    }
}

/// A call of a tool, described for people.
fn describe_call(name: &str, input: &Value) -> String {
    let what = DESCRIPTIVE_FIELDS
        .iter()
        .find_map(|field| input[*field].as_str());
    what.map_or_else(
        || name.to_owned(),
        |what| format!("{name}: {}", first_line(what, MAX_NOTE_BYTES)),
    )
}

/// How far an agent is by its own count: the share of finished steps in its list, or the progress of its checkpoint.
fn progress(tool: &str, input: &Value) -> Option<f64> {
    let progress = if tool.ends_with(CHECKPOINT_TOOL) {
        input["progress"].as_f64()?
    } else {
        let steps = input["todos"]
            .as_array()
            .filter(|steps| !steps.is_empty())?;
        let done = steps.iter().filter(|step| step["status"] == "completed");
        done.count() as f64 / steps.len() as f64
    };
    Some(progress.clamp(0.0, MAX_UNFINISHED))
}

/// The checkpoint in the tool's answer; the answer is JSON in text, or in the text of blocks.
fn checkpoint(answer: &Value) -> Option<CheckpointId> {
    let read = |text: &str| {
        let answer: Value = serde_json::from_str(text).ok()?;
        let id = answer.pointer("/checkpoint/checkpoint_id")?;
        id.as_str()?.parse().ok()
    };
    match answer {
        Value::String(text) => read(text),
        Value::Array(blocks) => blocks
            .iter()
            .find_map(|block| read(block["text"].as_str()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn push(transcript: &mut Transcript, line: &Value) -> ProgressUpdate {
        transcript.push(line.to_string().as_bytes())
    }

    fn assistant_line(id: &str, block: &Value, tokens: [u64; 3]) -> Value {
        let [input, cached, output] = tokens;
        let usage = json!({"input_tokens": input, "cache_read_input_tokens": cached, "output_tokens": output});
        json!({"type": "assistant", "message": {"id": id, "content": [block], "usage": usage}})
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    fn call(name: &str, input: &Value) -> Value {
        json!({"type": "tool_use", "id": "call-1", "name": name, "input": input})
    }

    #[test]
    fn the_parts_of_a_message_are_counted_once_and_the_result_brings_the_rest() {
        let mut transcript = Transcript::default();
        let updates = [
            push(
                &mut transcript,
                &json!({"type": "system", "subtype": "init"}),
            ),
            push(
                &mut transcript,
                &assistant_line("m1", &text("Looking"), [10, 100, 1]),
            ),
            push(
                &mut transcript,
                &assistant_line("m1", &call("Bash", &json!({"command": "ls"})), [10, 100, 5]),
            ),
            push(
                &mut transcript,
                &assistant_line("m2", &text("Done"), [20, 0, 7]),
            ),
            push(
                &mut transcript,
                &json!({"type": "result", "subtype": "success", "result": "Fixed", "total_cost_usd": 0.25,
                    "usage": {"input_tokens": 30, "cache_read_input_tokens": 100, "output_tokens": 40}}),
            ),
        ];
        let input: Vec<_> = updates
            .iter()
            .map(|update| update.usage.input_tokens)
            .collect();
        let output: Vec<_> = updates
            .iter()
            .map(|update| update.usage.output_tokens)
            .collect();
        assert_eq!(
            (input, output),
            (vec![0, 110, 0, 20, 0], vec![0, 1, 4, 7, 28])
        );
        assert_eq!(updates[2].note.as_deref(), Some("Bash: ls"));
        assert_eq!(updates[4].usage.cost_usd, 0.25);
        let agent_result = transcript.into_result().unwrap();
        assert!(agent_result.is_success());
        assert_eq!(agent_result.result, "Fixed");
    }

    #[test]
    fn an_agent_that_failed_says_why() {
        for (line, error_message) in [
            (json!({"subtype": "error_max_turns"}), "error_max_turns"),
            (
                json!({"is_error": true, "subtype": "success", "result": "No credit"}),
                "No credit",
            ),
            (
                json!({"is_error": true, "errors": ["one", "two"]}),
                "one: two",
            ),
            (
                json!({"is_error": true, "result": null, "usage": null, "errors": null}),
                "the agent says that it failed",
            ),
            (json!({"is_error": true}), "the agent says that it failed"),
        ] {
            let mut line = line;
            line["type"] = "result".into();
            let mut transcript = Transcript::default();
            push(&mut transcript, &line);
            let agent_result = transcript.into_result().unwrap();
            assert!(!agent_result.is_success() && !agent_result.is_final());
            assert_eq!(agent_result.error_message(), error_message);
        }
    }

    #[test]
    fn a_checkpoint_counts_when_it_was_saved() {
        let mut transcript = Transcript::default();
        let saving = call("mcp__shim__shim_auto_checkpoint", &json!({"progress": 0.4}));
        let update = push(&mut transcript, &assistant_line("m1", &saving, [1, 0, 1]));
        assert_eq!((update.progress, update.checkpoint_id), (Some(0.4), None));
        let checkpoint_id = CheckpointId::new();
        let facts = json!({"checkpoint": {"checkpoint_id": checkpoint_id.to_string()}}).to_string();
        let answer = |id: &str| {
            json!({"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": id,
                "content": [{"type": "text", "text": facts}]}]}})
        };
        assert_eq!(push(&mut transcript, &answer("other")).checkpoint_id, None);
        assert_eq!(
            push(&mut transcript, &answer("call-1")).checkpoint_id,
            Some(checkpoint_id)
        );
    }

    #[test]
    fn a_list_of_steps_says_how_far_it_is() {
        let mut transcript = Transcript::default();
        let steps = |done: &[&str]| {
            let todos: Vec<_> = done
                .iter()
                .map(|status| json!({"status": status}))
                .collect();
            call("TodoWrite", &json!({"todos": todos}))
        };
        let mut progress = |done: &[&str]| {
            push(&mut transcript, &assistant_line("m", &steps(done), [0; 3])).progress
        };
        assert_eq!(
            progress(&["completed", "in_progress", "pending", "completed"]),
            Some(0.5)
        );
        assert_eq!(progress(&["completed"]), Some(MAX_UNFINISHED));
        assert_eq!(progress(&[]), None);
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        let mut transcript = Transcript::default();
        for line in [
            "npm warn old",
            "",
            "{",
            "[]",
            "{\"type\":\"stream_event\"}",
            "{\"type\":\"assistant\"}",
            "{\"type\":\"assistant\",\"message\":{\"content\":[7,{\"type\":\"thinking\"}]}}",
        ] {
            assert!(transcript.push(line.as_bytes()).is_empty(), "{line}");
        }
        assert!(!transcript.is_over());
    }
}
