//! Claude Code's transcripts, one JSON document a line, as observed events.
//!
//! (A) A line that is torn, foreign, binary or longer than a limit is counted and left out; it is never an error. (B)
//! Memory and time are bounded whatever the file holds: lines are streamed, and of a giant file the beginning and the end
//! are read. (C) The same line gives the same event with the same id however often it is read, so that reading again has no
//! second effect. (D) Nothing is claimed that no line shows: a call whose result may stand in what was left out is neither
//! finished nor open.

mod calls;
mod content;
mod error;
mod events;
mod file;
mod limits;
mod lines;
mod newest;
mod prompts;
mod queue;
mod reader;
mod record;
mod subagents;
mod turns;
mod usage;

use std::ffi::OsStr;
use std::path::Path;

use shim_proto::checkpoint::v1::ObservedEvent;
use uuid::Uuid;

use events::Origin;
use file::read_into;
use reader::Reader;

pub(crate) use usage::context_tokens;

pub use error::ReadError;
pub use limits::Limits;
pub use newest::{Found, newest, project_folder};

/// What a transcript tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    /// The client's own id of the conversation.
    pub conversation: String,
    /// What happened, the oldest first; ready to be reported.
    pub events: Vec<ObservedEvent>,
    /// Lines that could not be understood or were too long.
    pub skipped_lines: u64,
    /// Whether a part was left out because of a limit.
    pub is_cut: bool,
}

/// Reads a transcript, and those of its subagents beside it.
///
/// # Errors
/// If the file cannot be opened or read, or is no transcript of a conversation. What is wrong with the files of subagents
/// is passed over.
pub fn read(path: &Path, limits: &Limits) -> Result<Transcript, ReadError> {
    let main = read_conversation(path, limits)?;
    if main.is_of_subagent() {
        return Err(ReadError::OfSubagent(subagents::conversation_of(path)));
    }
    let mut told = main.finish();
    let origin = Origin::new(path, &told);
    for one in subagents::of(path, &told.conversation, limits) {
        one.add_to(&mut told);
    }
    Ok(Transcript {
        conversation: told.conversation.clone(),
        skipped_lines: told.skipped_lines,
        is_cut: told.is_cut,
        events: told.into_events(&origin, limits.events),
    })
}

/// The conversation is the one that the file is named after; of a file with another name, that of its first line.
fn read_conversation(path: &Path, limits: &Limits) -> Result<Reader, ReadError> {
    let stem = path.file_stem().and_then(OsStr::to_str);
    let named = stem.filter(|stem| Uuid::try_parse(stem).is_ok());
    for conversation in named.into_iter().chain([""]) {
        let mut reader = Reader::of_conversation(conversation, limits.events);
        read_into(&mut reader, path, limits)?;
        if reader.is_recognized() {
            return Ok(reader);
        }
    }
    Err(ReadError::Foreign)
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
