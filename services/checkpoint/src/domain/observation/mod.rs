//! What is known of a conversation from the events that its client told by itself.
//!
//! (A) The same events give the same observation in whatever order they come, as far as their times tell it: the newest of
//! what replaces itself wins, and what is counted is counted once. (B) All of it is bounded. (C) What the model told through
//! tools is no part of it.

pub(crate) mod binding;
mod bounds;
pub(crate) mod due;
mod fold;
mod plan;
pub(crate) mod state;

#[cfg(test)]
mod binding_test;
#[cfg(test)]
mod order_test;
#[cfg(test)]
mod state_test;
#[cfg(test)]
mod tests;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ObservedEvent, ObservedState, PlanStep};
use shim_sqlite::to_unix_micros;

pub(crate) use fold::{Seen, fold};

/// A conversation as it is kept: what is shown of it, and the times that tell which event is newer.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Observation {
    /// Without the plan, the subagents and the summary of the compaction, which stand beside it.
    #[prost(message, required, tag = "1")]
    pub(crate) state: ObservedState,
    #[prost(message, required, tag = "2")]
    times: Times,
    #[prost(message, repeated, tag = "3")]
    plan: Vec<KeptStep>,
    #[prost(message, repeated, tag = "4")]
    subagents: Vec<KeptSubagent>,
    /// Events that were folded and say something of the work.
    #[prost(uint64, tag = "5")]
    pub(crate) changes: u64,
    /// How many of them the newest checkpoint of the service holds.
    #[prost(uint64, tag = "6")]
    pub(crate) saved_changes: u64,
    /// Tool calls that ended.
    #[prost(uint64, tag = "7")]
    pub(crate) finished_calls: u64,
    /// How many of them that checkpoint holds.
    #[prost(uint64, tag = "8")]
    pub(crate) saved_calls: u64,
    /// When it was saved, by the service's clock in microseconds since the Unix epoch; 0 for never.
    #[prost(int64, tag = "9")]
    pub(crate) saved_at: i64,
    /// Rows of events that are kept.
    #[prost(uint64, tag = "10")]
    pub(crate) kept_events: u64,
    /// The time of the newest event that was dropped: what is not newer had its effect. 0 for none.
    #[prost(int64, tag = "11")]
    pub(crate) horizon: i64,
    /// Why the client ended the conversation when it did so last.
    #[prost(int32, tag = "12")]
    end_reason: i32,
    /// When processes of the client began with the conversation, the newest of them.
    #[prost(int64, repeated, tag = "14")]
    starts: Vec<i64>,
    /// The client's id of the prompt that began the newest turn.
    #[prost(string, tag = "15")]
    turn_prompt_id: String,
    /// The client's summary of the last compaction; kept apart, since it is large and seldom changes.
    #[prost(string, tag = "13")]
    pub(crate) compaction_summary: String,
}

/// When the newest event of each kind happened, in microseconds since the Unix epoch; 0 for never.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Times {
    #[prost(int64, tag = "1")]
    placed: i64,
    /// The last prompt of a person, and the first.
    #[prost(int64, tag = "2")]
    prompted: i64,
    #[prost(int64, tag = "3")]
    first_prompted: i64,
    /// The newest sign that a turn runs.
    #[prost(int64, tag = "4")]
    turn_began: i64,
    #[prost(int64, tag = "5")]
    turn_ended: i64,
    /// The newest answer that was not empty.
    #[prost(int64, tag = "6")]
    answered: i64,
    #[prost(int64, tag = "7")]
    compacted: i64,
    /// The newest whole list of steps, and the newest change of the list.
    #[prost(int64, tag = "8")]
    planned: i64,
    #[prost(int64, tag = "9")]
    plan_changed: i64,
    /// A process of the client began with the conversation.
    #[prost(int64, tag = "10")]
    started: i64,
    /// The newest sign that the client lives.
    #[prost(int64, tag = "11")]
    active: i64,
    #[prost(int64, tag = "12")]
    ended: i64,
    #[prost(int64, tag = "13")]
    measured: i64,
    /// The prompt that began the newest turn: one that a person gives while the model works belongs to the same turn.
    #[prost(int64, tag = "14")]
    turn_prompted: i64,
}

/// A step of the model's list, also after it was taken off.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptStep {
    #[prost(message, required, tag = "1")]
    step: PlanStep,
    /// When its status changed last, and its text.
    #[prost(int64, tag = "2")]
    changed: i64,
    #[prost(int64, tag = "3")]
    worded: i64,
}

/// A subagent that began, ended, or both.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptSubagent {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int64, tag = "2")]
    started: i64,
    #[prost(int64, tag = "3")]
    ended: i64,
}

impl Observation {
    /// All of it, as it is shown.
    pub(crate) fn shown(&self) -> ObservedState {
        let mut state = self.state.clone();
        state.plan = plan::shown(&self.plan);
        state
            .compaction_summary
            .clone_from(&self.compaction_summary);
        let runs = |agent: &&KeptSubagent| self.is_running(agent);
        let running = self.subagents.iter().filter(runs);
        state.running_subagents = running.map(|agent| agent.id.clone()).collect();
        if self.times.first_prompted == self.times.prompted {
            state.first_prompt.clear();
        }
        state
    }

    /// Whether something happened that no checkpoint of the service holds.
    pub(crate) fn has_news(&self) -> bool {
        self.changes > self.saved_changes
    }

    /// Notes that a checkpoint holds what `packed`, an earlier moment of this observation, knew.
    pub(crate) fn mark_saved(&mut self, packed: &Self, now: i64) {
        self.saved_changes = self.saved_changes.max(packed.changes);
        self.saved_calls = self.saved_calls.max(packed.finished_calls);
        self.saved_at = now;
    }

    /// Whether the figures of this moment were folded.
    pub(crate) fn has_measured(&self, at: i64) -> bool {
        self.times.measured == at
    }

    /// A subagent of an earlier process of the client does not run any more.
    fn is_running(&self, agent: &KeptSubagent) -> bool {
        agent.started > agent.ended.max(self.times.started)
    }
}

/// Microseconds since the Unix epoch; 0 for no time.
pub(crate) fn micros(time: Option<&Timestamp>) -> i64 {
    to_unix_micros(time).map_or(0, |at| at.0)
}

/// A half of something that is told twice, by a hook and by a transcript, or whose two halves belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half<'a> {
    CallStarted(&'a str),
    CallFinished(&'a str),
    /// By the client's id of the turn's prompt, and the words: prompts that are given while the model works share the id.
    Prompt(&'a str, &'a str),
}

impl<'a> Half<'a> {
    /// The half that an event is, if its client names what it is a half of.
    pub(crate) fn of(event: &'a ObservedEvent) -> Option<Self> {
        match event.event.as_ref()? {
            Event::ToolCallStarted(call) => Some(Self::CallStarted(&call.tool_use_id)),
            Event::ToolCallFinished(call) => Some(Self::CallFinished(&call.tool_use_id)),
            Event::PromptSubmitted(prompt) if !prompt.prompt_id.is_empty() => {
                Some(Self::Prompt(&prompt.prompt_id, prompt.text.trim()))
            }
            _ => None,
        }
    }

    /// The other half of a tool call.
    pub(crate) fn other(self) -> Option<Self> {
        match self {
            Self::CallStarted(id) => Some(Self::CallFinished(id)),
            Self::CallFinished(id) => Some(Self::CallStarted(id)),
            Self::Prompt(..) => None,
        }
    }

    /// What tells it from all other halves of its session.
    pub(crate) fn key(self) -> [u8; 12] {
        let (kind, id, words) = match self {
            Self::CallStarted(id) => (b's', id, ""),
            Self::CallFinished(id) => (b'f', id, ""),
            Self::Prompt(id, words) => (b'p', id, words),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(id.as_bytes());
        if !words.is_empty() {
            hasher.update(&[0]);
            hasher.update(words.as_bytes());
        }
        let mut key = [0; 12];
        hasher.finalize_xof().fill(&mut key);
        key
    }
}
