//! The files of a conversation's subagents: `SESSION/subagents/agent-ID.jsonl`, each with `agent-ID.meta.json`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{SubagentEnded, SubagentStarted};
use shim_runtime::data_dir::read_named;

use super::events::{Happened, Told, fitting_name};
use super::reader::Reader;
use super::{Limits, read_into};

const MAX_META_BYTES: u64 = 64 << 10;
/// Files of a folder that are looked through.
const MAX_ENTRIES: usize = 10_000;
const ENDING: &str = ".jsonl";

/// What the file of a subagent tells.
pub(super) struct Subagent {
    agent_id: String,
    agent_type: String,
    /// The call that it works for; empty if that is not told.
    tool_use_id: String,
    is_finished: bool,
    told: Told,
}

/// The subagents of a conversation that changed last, as many as the limits allow.
pub(super) fn of(transcript: &Path, conversation: &str, limits: &Limits) -> Vec<Subagent> {
    let folder = transcript.with_extension("").join("subagents");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .take(MAX_ENTRIES)
        .flatten()
        .filter_map(|entry| {
            let id = agent_id(&entry.path())?;
            let changed = entry.metadata().ok()?.modified();
            Some((changed.unwrap_or(SystemTime::UNIX_EPOCH), entry.path(), id))
        })
        .collect();
    files.sort_by(|one, other| other.cmp(one));
    files.truncate(limits.subagents);
    let files = files.into_iter();
    let read = files.filter_map(|(_, path, id)| read(&path, conversation, id, limits));
    read.collect()
}

/// The transcript of the conversation that a subagent's lies below.
pub(super) fn conversation_of(subagent: &Path) -> PathBuf {
    let conversation = subagent.parent().and_then(Path::parent);
    conversation.unwrap_or(subagent).with_extension("jsonl")
}

fn agent_id(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let id = name.strip_prefix("agent-")?.strip_suffix(ENDING)?;
    Some(fitting_name(id)).filter(|id| !id.is_empty())
}

fn read(path: &Path, conversation: &str, agent_id: String, limits: &Limits) -> Option<Subagent> {
    let limits = limits.of_subagent();
    let mut reader = Reader::of_subagent(conversation, &agent_id, limits.events);
    read_into(&mut reader, path, &limits).ok()?;
    if !reader.is_recognized() {
        return None;
    }
    let is_answered = reader.has_answered();
    let told = reader.finish();
    let meta = read_named(&path.with_extension("meta.json"), MAX_META_BYTES);
    let meta: Value = serde_json::from_str(&meta.unwrap_or_default()).unwrap_or_default();
    let word =
        |name: &str| fitting_name(meta.get(name).and_then(Value::as_str).unwrap_or_default());
    Some(Subagent {
        agent_id,
        agent_type: word("agentType"),
        tool_use_id: word("toolUseId"),
        is_finished: is_answered || meta.get("finished") == Some(&Value::Bool(true)),
        told,
    })
}

impl Subagent {
    /// Adds what it tells to what its conversation does.
    pub(super) fn add_to(self, conversation: &mut Told) {
        let (begun, ended) = self.told.span;
        let cwd = self
            .told
            .events
            .first()
            .map(|it| it.cwd.clone())
            .unwrap_or_default();
        let agent_type = self.agent_type;
        let event = |key: &str, at, event| Happened {
            key: key.to_owned(),
            at,
            cwd: cwd.clone(),
            agent_id: self.agent_id.clone(),
            event,
        };
        let started = SubagentStarted {
            agent_type: agent_type.clone(),
        };
        conversation.skipped_lines += self.told.skipped_lines;
        conversation.is_cut |= self.told.is_cut;
        let started = Event::SubagentStarted(started);
        conversation.events.push(event("subagent", begun, started));
        let is_lost = conversation.lost_calls.contains(&self.tool_use_id);
        let is_over = self.is_finished || is_lost;
        // What a subagent that is over left open is not in hand any more.
        let is_told = |it: &Happened| !(is_over && matches!(it.event, Event::ToolCallStarted(_)));
        conversation
            .events
            .extend(self.told.events.into_iter().filter(is_told));
        if is_over {
            let over = Event::SubagentEnded(SubagentEnded { agent_type });
            conversation
                .events
                .push(event("subagent ended", ended, over));
        }
    }
}
