//! The stream-json of a headless agent, line by line: turned into progress, and into what the verdict needs. Pure.

use std::collections::VecDeque;

use serde::de::IgnoredAny;
use serde_json::Value;
use shim_exec::{MAX_NOTE_BYTES, ProgressLines, clipped, first_line};
use shim_proto::coordination::v1::Usage;
use shim_proto::limits::task::{MAX_COST_USD, MAX_TOKENS};
use shim_runtime::json_text::{LossKind, losses, mend, place};
use shim_runtime::redact;
use shim_work::ProgressUpdate;

use super::api_trouble::{Limit, RetriedCall};
use super::joined_lines::{Joined, JoinedLines};
use super::json_line::begun;
use super::result_line::AgentResult;
use super::stream_json::{Block, Message, Turn, messages};
use super::tool_calls::{checkpoint, describe_call, describe_denied, progress, saves_checkpoint};
use super::values::{Tokens, is_blank, text};

/// Agents within an agent write in turns; the tokens of more than so many at once are counted roughly until the result.
const MAX_TRACKED_MESSAGES: usize = 32;
/// Results of one run: those in the middle decide nothing.
const MAX_RESULTS: usize = 8;
/// Lines that are no messages and are kept for an error's message.
const MAX_PLAIN_LINES: usize = 5;
/// Bytes kept of the last text: more than a result holds.
const MAX_LAST_TEXT_BYTES: usize = 1024 * 1024;
/// Bytes kept of what a program says in the place of a model.
const MAX_NOTICE_BYTES: usize = 4 * 1024;
/// Fields that a result line gives twice, as far as they are told.
const MAX_REPEATED: usize = 5;
/// What `claude` says of a conversation that it does not find.
const NO_CONVERSATION: &str = "no conversation found";

/// What the agent wrote so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// The usage reported so far; the result brings the sum.
    reported: Usage,
    /// Tokens by message: a message comes in parts, and each part says what the message cost so far.
    messages: VecDeque<(String, Tokens)>,
    /// Unanswered calls that save a checkpoint.
    saving: VecDeque<String>,
    /// The last calls of tools, described for people, by their ids.
    calls: VecDeque<(String, String)>,
    /// What it says at its end: the last of them is the latest.
    pub(super) results: Vec<AgentResult>,
    /// The last thing that the agent itself said in words.
    pub(super) last_text: String,
    /// Whether it used a tool after that.
    pub(super) has_gone_on: bool,
    /// What the program wrote last in the place of a model's answer, unless the model was heard after that.
    pub(super) notice: Option<String>,
    joined_lines: JoinedLines,
    /// The last lines that were no messages.
    pub(super) plain: VecDeque<String>,
    plain_lines: ProgressLines,
    /// Whether there was any message.
    pub(super) has_messages: bool,
    /// Whether it used any tool.
    pub(super) has_worked: bool,
    /// The limit that it ran into last, unless it went on after that.
    pub(super) limit: Option<Limit>,
    /// The last call of the API that was tried again, unless one succeeded after that.
    pub(super) retried: Option<RetriedCall>,
}

impl Transcript {
    /// Whether the last result arrived: nothing of use follows.
    pub(super) fn is_over(&self) -> bool {
        self.results
            .last()
            .is_some_and(|result| !result.has_successor)
    }

    /// Whether the API will answer no call of this run, though the program goes on to ask it.
    pub(super) fn is_hopeless(&self) -> bool {
        self.retried.as_ref().is_some_and(RetriedCall::is_hopeless)
    }

    /// Whether the program did not find the conversation that it was to go on with.
    pub(super) fn has_no_conversation(&self) -> bool {
        let is_said = |text: &str| text.to_lowercase().contains(NO_CONVERSATION);
        let complaint = self.results.last().map(AgentResult::complaint);
        let is_silent = !self.has_worked && self.last_text.is_empty();
        is_silent
            && (complaint.is_some_and(|complaint| is_said(&complaint))
                || self.plain.iter().any(|line| is_said(line)))
    }

    /// The progress that a line brings. A line that is no message is a sign of life and nothing more.
    pub(super) fn push(&mut self, line: &[u8]) -> ProgressUpdate {
        let mut update = ProgressUpdate::default();
        for joined in self.joined_lines.push(line) {
            update.merge(self.on_joined(&joined));
        }
        update
    }

    /// Nothing more comes: an object whose end is missing is taken for what it still states.
    pub(super) fn finish(&mut self) {
        for joined in self.joined_lines.finish() {
            self.on_joined(&joined);
        }
    }

    fn on_joined(&mut self, joined: &Joined) -> ProgressUpdate {
        let line = match joined {
            Joined::Line(line) => line,
            // The objects of a list that are whole stand for themselves.
            Joined::Cut(list) if list.starts_with(b"[") => list,
            Joined::Cut(cut) => return self.on_cut(cut),
        };
        let mut messages = messages(line);
        // A line of a log may quote JSON.
        let is_quoted = !line.starts_with(b"{") && !line.starts_with(b"[");
        if is_quoted
            && messages
                .iter()
                .all(|message| matches!(message, Message::Other))
        {
            messages.clear();
        }
        if messages.is_empty() {
            self.keep_plain(line);
        }
        if let [Message::Result(result)] = messages.as_mut_slice() {
            result.remarks.extend(repeated(line));
            result.remarks.extend(unreadable(line));
        }
        self.has_messages |= !messages.is_empty();
        let mut update = ProgressUpdate::default();
        for message in messages {
            update.merge(self.on_message(message));
        }
        update
    }

    fn on_cut(&mut self, cut: &[u8]) -> ProgressUpdate {
        match begun(cut).and_then(AgentResult::of_begun) {
            Some(result) => {
                self.has_messages = true;
                self.on_result(result)
            }
            None => {
                for line in cut.split(|byte| *byte == b'\n') {
                    self.keep_plain(line);
                }
                ProgressUpdate::default()
            }
        }
    }

    /// What is to be reported when the program ended without telling what it cost: that more was spent than is known.
    pub(super) fn unknown_rest(&self) -> ProgressUpdate {
        let is_known = !self.results.is_empty() || !self.has_messages;
        ProgressUpdate {
            usage: Usage {
                incomplete: !is_known,
                ..Usage::default()
            },
            ..ProgressUpdate::default()
        }
    }

    fn on_message(&mut self, message: Message) -> ProgressUpdate {
        match message {
            Message::Assistant(turn) => self.on_assistant(turn),
            Message::User(turn) => self.on_user(turn),
            Message::Result(result) => self.on_result(*result),
            Message::Denied(line) => self.on_denied(&line),
            Message::RateLimit(line) => {
                self.limit = Limit::of(&line);
                ProgressUpdate::default()
            }
            Message::ApiRetry(line) => {
                self.retried = Some(RetriedCall::of(&line));
                ProgressUpdate::default()
            }
            Message::Other => ProgressUpdate::default(),
        }
    }

    fn on_assistant(&mut self, turn: Turn) -> ProgressUpdate {
        let mut update = ProgressUpdate {
            usage: self.new_usage(&turn),
            ..ProgressUpdate::default()
        };
        self.note_trouble(&turn);
        for block in turn.blocks {
            match block {
                Block::Text(text) => {
                    set_note(&mut update, &text);
                    if !turn.is_inner && !is_blank(&text) {
                        self.keep_text(text, turn.is_synthetic);
                    }
                }
                Block::ToolUse { id, name, input } => {
                    // A limit that stops nothing is none.
                    self.limit = None;
                    self.has_worked = true;
                    self.has_gone_on = true;
                    let call = describe_call(&name, &input);
                    set_note(&mut update, &call);
                    update.progress = progress(&name, &input).or(update.progress);
                    if saves_checkpoint(&name) {
                        push_bounded(&mut self.saving, id.clone());
                    }
                    push_bounded(&mut self.calls, (id, call));
                }
                Block::ToolResult { .. } => {}
            }
        }
        update
    }

    fn on_user(&mut self, turn: Turn) -> ProgressUpdate {
        let mut update = ProgressUpdate::default();
        for id in &turn.denied {
            self.note_denial(&mut update, id, "");
        }
        for block in turn.blocks {
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

    fn on_denied(&self, line: &Value) -> ProgressUpdate {
        let mut update = ProgressUpdate::default();
        let call = describe_denied(&text(line, "tool_name"), &line["tool_input"]);
        self.note_denial(&mut update, &text(line, "tool_use_id"), &call);
        update
    }

    /// A call that was not permitted did not run: the note must not say that it did.
    fn note_denial(&self, update: &mut ProgressUpdate, id: &str, otherwise: &str) {
        let call = self.calls.iter().rfind(|(known, _)| known == id);
        match call.map_or(otherwise, |(_, call)| call) {
            "" => set_note(update, "a tool was not permitted"),
            call => set_note(update, &format!("not permitted: {call}")),
        }
    }

    /// The rest of the cost. Where a message was counted twice, the sum errs upwards. The total of a conversation that was
    /// gone on with holds what earlier attempts cost, so what the result says of itself alone goes before.
    fn on_result(&mut self, result: AgentResult) -> ProgressUpdate {
        let usage = Usage {
            input_tokens: (result.tokens.input).saturating_sub(self.reported.input_tokens),
            output_tokens: (result.tokens.output).saturating_sub(self.reported.output_tokens),
            cost_usd: match result.own_cost_usd {
                Some(own) => own,
                None => (result.cost_usd - self.reported.cost_usd).max(0.0),
            },
            incomplete: result.is_cost_unreadable,
        };
        add(&mut self.reported, &usage);
        if self.results.len() == MAX_RESULTS {
            // A success is never forgotten.
            let failure = self.results.iter().position(|result| !result.is_success);
            self.results.remove(failure.unwrap_or(0));
        }
        self.results.push(result);
        ProgressUpdate {
            usage,
            ..ProgressUpdate::default()
        }
    }

    /// What a part of a message cost beyond its earlier parts.
    fn new_usage(&mut self, turn: &Turn) -> Usage {
        let now = turn.tokens;
        let earlier = self.messages.iter_mut().rfind(|(id, _)| *id == turn.id);
        let before = match earlier {
            Some((_, tokens)) => std::mem::replace(tokens, now),
            None => {
                push_bounded(&mut self.messages, (turn.id.clone(), now));
                Tokens::default()
            }
        };
        let usage = Usage {
            input_tokens: now.input.saturating_sub(before.input),
            output_tokens: now.output.saturating_sub(before.output),
            ..Usage::default()
        };
        add(&mut self.reported, &usage);
        usage
    }

    /// A call of the API that failed, or one that succeeded.
    fn note_trouble(&mut self, turn: &Turn) {
        if !turn.api_error.is_empty() {
            self.retried = Some(RetriedCall::named(&turn.api_error));
        } else if !turn.is_synthetic {
            self.retried = None;
        }
        if !turn.is_inner {
            self.notice = None;
        }
    }

    /// Keeps the last text; only a long one is searched for secrets here, since it is cut.
    fn keep_text(&mut self, text: String, is_notice: bool) {
        if is_notice {
            self.notice = Some(clipped(&redact::text(&text), MAX_NOTICE_BYTES).0);
            return;
        }
        self.has_gone_on = false;
        self.last_text = if text.len() > MAX_LAST_TEXT_BYTES {
            clipped(&redact::text(&text), MAX_LAST_TEXT_BYTES).0
        } else {
            text
        };
    }

    fn keep_plain(&mut self, line: &[u8]) {
        if let Some(line) = self.plain_lines.push(line) {
            if self.plain.len() == MAX_PLAIN_LINES {
                self.plain.pop_front();
            }
            self.plain.push_back(line);
        }
    }
}

/// The first value of a result's data that is no JSON, such as NaN.
fn unreadable(line: &[u8]) -> Option<String> {
    let mended = mend(line);
    let error = serde_json::from_str::<IgnoredAny>(&mended).err()?;
    if error.line() > 1 {
        return None;
    }
    let place = place(mended.as_bytes(), error.column().saturating_sub(1));
    let is_data = place.starts_with("structured_output.");
    is_data.then(|| format!("{place} is no JSON value; it is read as null, or as its text"))
}

/// The fields of a result that a line gives twice, of which the last one counts.
fn repeated(line: &[u8]) -> Vec<String> {
    let handed_over = |place: &str| {
        ["result", "structured_output", "is_error", "subtype"]
            .iter()
            .any(|field| place.starts_with(field))
    };
    let repeated = losses(line)
        .into_iter()
        .filter(|loss| loss.kind == LossKind::Repeated && handed_over(&loss.place));
    let remarks = repeated.map(|loss| {
        format!(
            "{} is given twice in its result line; the last one counts",
            loss.place
        )
    });
    remarks.take(MAX_REPEATED).collect()
}

/// Adds to a sum that stays within what a task may report.
fn add(sum: &mut Usage, more: &Usage) {
    sum.input_tokens = sum
        .input_tokens
        .saturating_add(more.input_tokens)
        .min(MAX_TOKENS);
    sum.output_tokens = sum
        .output_tokens
        .saturating_add(more.output_tokens)
        .min(MAX_TOKENS);
    sum.cost_usd = (sum.cost_usd + more.cost_usd).min(MAX_COST_USD);
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

#[cfg(test)]
mod tests;
