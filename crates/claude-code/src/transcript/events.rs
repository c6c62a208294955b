//! The events of a transcript: kept in bounded number, and given ids by which reading again has no second effect.

use std::path::Path;

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ClientInfo, ObservationSource, ObservedEvent};
use shim_proto::limits::MAX_PATH_BYTES;
use shim_runtime::process;
use uuid::Uuid;

use crate::texts::MAX_NAME_BYTES;

/// The name under which the client makes itself known to MCP servers, too.
const CLIENT: &str = "claude-code";
/// Bytes of texts that events hold together while a file is read.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// An event without what all events of a transcript have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happened {
    /// What tells it from all others of its file: its kind and the line that it was read from.
    pub(super) key: String,
    pub(super) at: Timestamp,
    pub(super) cwd: String,
    pub(super) agent_id: String,
    pub(super) event: Event,
}

/// Events in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct Kept {
    all: Vec<Happened>,
    max: usize,
    text_bytes: usize,
    is_cut: bool,
    /// Where the last answer stands: only the newest keeps its text.
    last_answer: Option<usize>,
}

impl Kept {
    pub(super) fn at_most(max: usize) -> Self {
        Self {
            max: max.max(1),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, happened: Happened) {
        if let Event::TurnEnded(_) = happened.event {
            if let Some(Event::TurnEnded(earlier)) = self.earlier_answer() {
                earlier.last_answer = String::new();
            }
            self.last_answer = Some(self.all.len());
        }
        self.text_bytes += text_bytes(&happened.event);
        self.all.push(happened);
        if self.all.len() >= self.max.saturating_mul(2) || self.text_bytes > MAX_TEXT_BYTES {
            self.make_room();
        }
    }

    fn earlier_answer(&mut self) -> Option<&mut Event> {
        let earlier = self.all.get_mut(self.last_answer?)?;
        self.text_bytes = self.text_bytes.saturating_sub(text_bytes(&earlier.event));
        Some(&mut earlier.event)
    }

    /// Drops the older half but the first prompt.
    fn make_room(&mut self) {
        let keep = self.max.min(self.all.len() / 2 + 1);
        self.is_cut = true;
        self.last_answer = None;
        keep_newest(&mut self.all, keep);
        self.text_bytes = self.all.iter().map(|it| text_bytes(&it.event)).sum();
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn into_inner(self) -> Vec<Happened> {
        self.all
    }
}

/// Keeps the last `keep` events and the first prompt of a person.
fn keep_newest(all: &mut Vec<Happened>, keep: usize) {
    let Some(dropped) = all.len().checked_sub(keep).filter(|dropped| *dropped > 0) else {
        return;
    };
    let is_prompt =
        |it: &Happened| matches!(&it.event, Event::PromptSubmitted(told) if !told.by_client);
    let first = all.drain(..dropped).find(is_prompt);
    if let Some(first) = first {
        all.insert(0, first);
    }
}

fn text_bytes(event: &Event) -> usize {
    match event {
        Event::PromptSubmitted(told) => told.text.len(),
        Event::TurnEnded(told) => told.last_answer.len(),
        Event::CompactionFinished(told) => told.summary.len(),
        _ => 0,
    }
}

/// What the files of one conversation tell together.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) conversation: String,
    pub(super) version: String,
    pub(super) events: Vec<Happened>,
    pub(super) skipped_lines: u64,
    pub(super) is_cut: bool,
    /// When the file was written last.
    pub(super) written: Timestamp,
    /// The times of its first and its last line.
    pub(super) span: (Timestamp, Timestamp),
    /// Calls whose results never came although the conversation went on.
    pub(super) lost_calls: Vec<String>,
}

impl Told {
    /// The events as they are reported, the oldest first; at most `max`.
    pub(super) fn into_events(mut self, origin: &Origin, max: usize) -> Vec<ObservedEvent> {
        let moment = |at: &Timestamp| (at.seconds, at.nanos);
        // Lines before the first one with a time.
        let times = self
            .events
            .iter()
            .map(|it| it.at)
            .filter(|at| at.seconds > 0);
        let first = times.min_by_key(moment).unwrap_or(self.written);
        for event in self.events.iter_mut().filter(|it| it.at.seconds == 0) {
            event.at = first;
        }
        self.events.sort_by_key(|it| moment(&it.at));
        keep_newest(&mut self.events, max);
        let events = self.events.into_iter();
        events.map(|event| origin.event(event)).collect()
    }
}

/// What all events of a transcript have in common.
#[derive(Debug)]
pub(super) struct Origin {
    path: String,
    client: ClientInfo,
}

impl Origin {
    pub(super) fn new(path: &Path, told: &Told) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        Self {
            path: fitting_path(&path.to_string_lossy()),
            client: ClientInfo {
                name: CLIENT.to_owned(),
                version: told.version.clone(),
                hostname: process::hostname(),
                conversation: told.conversation.clone(),
                ..ClientInfo::default()
            },
        }
    }

    fn event(&self, happened: Happened) -> ObservedEvent {
        let conversation = self.client.conversation.clone();
        ObservedEvent {
            event_id: event_id(&conversation, &happened.agent_id, &happened.key),
            at: Some(happened.at),
            conversation,
            cwd: happened.cwd,
            transcript_path: self.path.clone(),
            client: Some(self.client.clone()),
            agent_id: happened.agent_id,
            source: ObservationSource::Transcript.into(),
            event: Some(happened.event),
        }
    }
}

/// The same for the same line, and no other's.
fn event_id(conversation: &str, agent_id: &str, key: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in ["shim transcript event", conversation, agent_id, key] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    let id: Uuid = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    id.to_string()
}

/// An id or a name that can be kept; else none: cut, it would be another one's.
pub(super) fn fitting_name(name: &str) -> String {
    let name = name.trim();
    let fits = name.len() <= MAX_NAME_BYTES && !name.contains(char::is_control);
    if fits { name.to_owned() } else { String::new() }
}

/// A path that can be kept, else none.
pub(super) fn fitting_path(path: &str) -> String {
    let fits = path.len() <= MAX_PATH_BYTES && !path.contains('\0');
    if fits { path.to_owned() } else { String::new() }
}
