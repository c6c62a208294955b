//! Lines of one file become events: what each kind of line tells, and what is known when the next one comes.

mod messages;

use std::borrow::Cow;
use std::time::SystemTime;

use prost_types::Timestamp;
use serde_json::Value;
use shim_proto::checkpoint::v1::CompactionFinished;
use shim_proto::checkpoint::v1::observed_event::Event;

use super::calls::Calls;
use super::events::{FileEvents, Happened, Kept};
use super::prompts::{self, UserText};
use super::queue::{Queue, Waiting};
use super::record::{Line, Record, name, parse, repaired, text, value};
use super::turns::Turn;
use super::usage::Usage;
use crate::hook_input::is_of_client;
use crate::texts::{MAX_COMPACTION_BYTES, cut};

/// Small objects of a line: who wrote a prompt, what a compaction was.
const MAX_SMALL_BYTES: usize = 64 << 10;
/// What clocks differ by, at most, where files are copied from machine to machine.
const DAY_SECONDS: i64 = 24 * 3_600;

/// What was read of a file so far.
#[derive(Debug)]
pub(super) struct Reader {
    /// The subagent whose file it is; empty for a conversation's own.
    agent_id: String,
    conversation: String,
    is_recognized: bool,
    version: String,
    cwd: String,
    prompt_id: String,
    /// What tells the present line from all others.
    line_key: String,
    /// The time of the last line that has one.
    at: Timestamp,
    first_at: Option<Timestamp>,
    /// When the file was written last.
    written: Timestamp,
    kept: Kept,
    calls: Calls,
    queue: Queue,
    turn: Turn,
    usage: Usage,
    /// A compaction whose summary did not come yet: its line, its time, and whether the client did it by itself.
    compaction: Option<(String, Timestamp, bool)>,
    lost_calls: Vec<String>,
    skipped_lines: u64,
    is_cut: bool,
    /// After a cut, until a prompt is seen: the one that the client says was the last.
    last_prompt: Option<String>,
    has_own_lines: bool,
    has_side_lines: bool,
}

impl Reader {
    /// Reads the file of a conversation, which the first line names if it is not known; at most `max` events are kept.
    pub(super) fn of_conversation(conversation: &str, max: usize) -> Self {
        Self {
            agent_id: String::new(),
            conversation: conversation.to_owned(),
            is_recognized: false,
            version: String::new(),
            cwd: String::new(),
            prompt_id: String::new(),
            line_key: String::new(),
            at: Timestamp::default(),
            first_at: None,
            written: Timestamp::default(),
            kept: Kept::at_most(max),
            calls: Calls::default(),
            queue: Queue::default(),
            turn: Turn::default(),
            usage: Usage::default(),
            compaction: None,
            lost_calls: Vec::new(),
            skipped_lines: 0,
            is_cut: false,
            last_prompt: None,
            has_own_lines: false,
            has_side_lines: false,
        }
    }

    /// Reads the file of a subagent of a conversation.
    pub(super) fn of_subagent(conversation: &str, agent_id: &str, max: usize) -> Self {
        Self {
            agent_id: agent_id.to_owned(),
            ..Self::of_conversation(conversation, max)
        }
    }

    /// Lines are not much later than their file; those without a time get this one if no line has another.
    pub(super) fn written_at(&mut self, written: SystemTime) {
        self.written = written.into();
    }

    /// Whether a line names the conversation.
    pub(super) fn is_recognized(&self) -> bool {
        self.is_recognized
    }

    /// Whether all messages so far are a subagent's.
    pub(super) fn is_of_subagent(&self) -> bool {
        self.has_side_lines && !self.has_own_lines
    }

    /// Whether the last message was an answer.
    pub(super) fn has_answered(&self) -> bool {
        self.turn.is_over()
    }

    /// A line was too long.
    pub(super) fn skip_line(&mut self) {
        self.skipped_lines += 1;
    }

    /// A part of the file was left out here.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
        self.end_turn(false);
        self.calls.forget();
        self.queue = Queue::default();
        self.turn = Turn::default();
        self.last_prompt = Some(String::new());
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: &[u8]) {
        let repaired = repaired(line);
        match parse(repaired.as_deref().map_or(line, str::as_bytes)) {
            Line::Record(record) => {
                self.line_key = name(record.uuid);
                if self.line_key.is_empty() {
                    self.line_key = blake3::hash(line).to_hex().to_string();
                }
                self.record(&record);
            }
            Line::Repetition => {}
            Line::Foreign => self.skipped_lines += 1,
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        let session = name(record.session_id);
        if self.conversation.is_empty() {
            self.conversation.clone_from(&session);
        }
        if !session.is_empty() && session != self.conversation {
            self.skipped_lines += 1;
            return;
        }
        self.is_recognized |= !session.is_empty();
        if let Some(at) = record.at().filter(|at| at.seconds > 0) {
            let is_possible = at.seconds <= self.written.seconds + DAY_SECONDS;
            self.at = if is_possible { at } else { self.written };
            self.first_at.get_or_insert(self.at);
        }
        match text(record.kind).as_deref() {
            Some("user") => self.user(record),
            Some("assistant") => self.assistant(record),
            Some("system") => self.system(record),
            Some("attachment") => self.attachment(record),
            Some("queue-operation") => self.queue_operation(record),
            Some("last-prompt") => self.last_prompt(record),
            Some("cost-state") => self.usage.costs(record),
            _ => {}
        }
    }

    fn system(&mut self, record: &Record<'_>) {
        match text(record.subtype).as_deref() {
            Some("compact_boundary") => {
                self.compacted("");
                let told = value(record.compact_metadata, MAX_SMALL_BYTES);
                let is_automatic = told.get("trigger").and_then(Value::as_str) == Some("auto");
                self.usage.compacted();
                self.compaction = Some((self.line_key.clone(), self.at, is_automatic));
            }
            Some("turn_duration" | "stop_hook_summary") => self.end_turn(true),
            _ => {}
        }
    }

    /// The summary of the compaction came, or none does.
    fn compacted(&mut self, summary: &str) {
        let Some((line, at, is_automatic)) = self.compaction.take() else {
            return;
        };
        let event = Event::CompactionFinished(CompactionFinished {
            is_automatic,
            summary: cut(prompts::summary(summary), MAX_COMPACTION_BYTES),
        });
        let (key, agent_id) = (format!("compacted {line}"), String::new());
        let cwd = self.cwd.clone();
        self.kept.push(Happened {
            key,
            at,
            cwd,
            agent_id,
            event,
        });
    }

    /// A prompt that was given while the model worked reaches it as an attachment.
    fn attachment(&mut self, record: &Record<'_>) {
        let told = value(record.attachment, MAX_SMALL_BYTES);
        let word = |name: &str| told.get(name).and_then(Value::as_str);
        if word("type") != Some("queued_command") || !self.agent_id.is_empty() {
            return;
        }
        let Some(prompt) = word("prompt") else {
            return;
        };
        let origin = told
            .get("origin")
            .and_then(|origin| origin.get("kind")?.as_str());
        let is_note = word("commandMode").is_some_and(|mode| mode != "prompt");
        self.queue.told(prompt);
        if let UserText::Prompt { text, by_client } = prompts::judge(&[prompt], origin) {
            let key = format!("prompt {}", self.line_key);
            self.submitted(key, &text, by_client || is_note);
        }
    }

    fn queue_operation(&mut self, record: &Record<'_>) {
        let waiting = Waiting {
            text: text(record.content).unwrap_or_default().into_owned(),
            at: self.at,
            prompt_id: self.prompt_id.clone(),
        };
        let operation = text(record.operation).unwrap_or_default();
        self.queue.follow(&operation, waiting);
    }

    fn last_prompt(&mut self, record: &Record<'_>) {
        if self.last_prompt.is_some() {
            self.last_prompt = text(record.last_prompt).map(Cow::into_owned);
        }
    }

    /// Tells the end of the turn if there is one, and that the calls are lost whose results did not come until then.
    fn end_turn(&mut self, by_client: bool) {
        let Some(ended) = self.turn.end(by_client) else {
            return;
        };
        if !self.agent_id.is_empty() {
            return;
        }
        let at = std::mem::replace(&mut self.at, ended.at);
        for call in self.calls.lose() {
            self.lost_calls.push(call.tool_use_id.clone());
            let key = format!("lost {} {}", call.tool_use_id, ended.message);
            self.push(key, call.lost());
        }
        self.push(format!("turn {}", ended.message), ended.event);
        self.at = at;
    }

    fn push(&mut self, key: String, event: Event) {
        self.push_of(self.agent_id.clone(), key, event);
    }

    fn push_of(&mut self, agent_id: String, key: String, event: Event) {
        let (at, cwd) = (self.at, self.cwd.clone());
        self.kept.push(Happened {
            key,
            at,
            cwd,
            agent_id,
            event,
        });
    }

    /// What the file told: also what is open at its end.
    pub(super) fn finish(mut self) -> FileEvents {
        self.end_turn(false);
        let last_at = self.at;
        self.compacted("");
        self.tell_waiting_prompts();
        self.tell_open_calls();
        if let Some((message, at, told)) = std::mem::take(&mut self.usage).into_told() {
            self.at = at;
            self.push(format!("usage {message}"), Event::UsageMeasured(told));
        }
        FileEvents {
            is_cut: self.is_cut || self.kept.is_cut(),
            written: self.written,
            span: (self.first_at.unwrap_or(last_at), last_at),
            conversation: self.conversation,
            version: self.version,
            events: self.kept.into_inner(),
            skipped_lines: self.skipped_lines,
            lost_calls: self.lost_calls,
        }
    }

    /// Prompts that no line tells of: the last one before a cut, and those that were still waiting.
    fn tell_waiting_prompts(&mut self) {
        if let Some(text) = self
            .last_prompt
            .take()
            .filter(|text| !text.trim().is_empty())
        {
            let by_client = is_of_client(&text);
            self.submitted(format!("last prompt {text}"), &text, by_client);
        }
        for waiting in std::mem::take(&mut self.queue).rest() {
            let key = format!("waiting {} {}", waiting.at.seconds, waiting.text);
            // A note that nobody was given began no turn.
            if !is_of_client(&waiting.text) {
                (self.at, self.prompt_id) = (waiting.at, waiting.prompt_id);
                self.submitted(key, &waiting.text, false);
            }
        }
    }

    fn tell_open_calls(&mut self) {
        for call in std::mem::take(&mut self.calls).into_open() {
            let (key, agent_id) = (format!("call {}", call.tool_use_id), call.agent_id.clone());
            let (at, cwd, event) = (call.at, call.cwd.clone(), call.started());
            self.kept.push(Happened {
                key,
                at,
                cwd,
                agent_id,
                event,
            });
        }
    }
}
