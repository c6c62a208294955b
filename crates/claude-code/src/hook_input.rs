//! The JSON that Claude Code gives a hook, as an observed event.
//!
//! A hook whose name is not known, or that lacks what its event needs, is no event and no error. Contents of files and
//! outputs of tools are measured and left behind.

mod events;
mod fields;
mod surroundings;

use std::path::PathBuf;

use shim_proto::checkpoint::v1::{FileUse, ObservationSource, ObservedEvent, UsedFile};

use fields::Fields;

use crate::texts::json_of;

pub(crate) use events::{failure as turn_failure, is_of_client};
pub use surroundings::Surroundings;

/// What a hook was told.
#[derive(Debug, Clone, Default)]
pub struct HookInput {
    /// The hook, for example `PreToolUse`.
    pub name: String,
    /// The client's id of the conversation; empty if it is not told.
    pub conversation: String,
    /// What it tells, ready to be reported; `None` for a hook that says nothing that is kept.
    pub event: Option<ObservedEvent>,
    /// The folder that the conversation works in.
    pub cwd: PathBuf,
    /// The client's id of the tool call; empty outside of one.
    pub tool_use_id: String,
    /// The tool; empty outside of a call.
    pub tool_name: String,
    /// The files that the call names, absolute.
    pub files: Vec<UsedFile>,
    /// The subagent that it happens in; empty for the conversation itself.
    pub agent_id: String,
    /// `Stop`: whether the model goes on already because a hook asked for it.
    pub stop_hook_active: bool,
    /// `SessionStart`: why, in the client's word: startup, resume, clear, compact, fork.
    pub start_source: String,
}

impl HookInput {
    /// Whether the tool call is to write a file that it names.
    #[must_use]
    pub fn writes(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|file| file.r#use() == FileUse::Write)
    }
}

/// Why a hook's input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// It is no JSON, or was cut off.
    #[error("the hook's input is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is JSON, but no object with a hook's name.
    #[error("the hook's input names no hook")]
    NoHook,
}

/// Reads a hook's input.
///
/// # Errors
/// If it is no JSON object with `hook_event_name`.
pub fn parse(json: &[u8], surroundings: &Surroundings) -> Result<HookInput, ParseError> {
    let fields = json_of(json)?;
    let fields = Fields::of(&fields);
    let name = fields.name("hook_event_name");
    if name.is_empty() {
        return Err(ParseError::NoHook);
    }
    let tool_name = fields.name("tool_name");
    let cwd = PathBuf::from(fields.path("cwd"));
    let happened = events::of(&name, &fields, &cwd);
    let conversation = fields.name("session_id");
    let event = happened.filter(|_| !conversation.is_empty());
    let event = event.map(|event| ObservedEvent {
        event_id: surroundings.event_id.to_string(),
        at: Some(surroundings.now.into()),
        conversation: conversation.clone(),
        cwd: fields.path("cwd"),
        transcript_path: fields.path("transcript_path"),
        client: Some(surroundings.client_of(&conversation)),
        agent_id: fields.name("agent_id"),
        source: ObservationSource::Hook.into(),
        event: Some(event),
    });
    Ok(HookInput {
        event,
        conversation,
        tool_use_id: fields.name("tool_use_id"),
        files: events::files(&tool_name, &fields, &cwd),
        tool_name,
        agent_id: fields.name("agent_id"),
        stop_hook_active: fields.flag("stop_hook_active"),
        start_source: fields.name("source"),
        cwd,
        name,
    })
}

#[cfg(test)]
mod tests;
