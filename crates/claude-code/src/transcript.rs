//! Claude Code's transcripts, one JSON document a line, as observed events.
//!
//! (A) A line that is torn, foreign, binary or longer than a limit is counted and left out; it is never an error. (B)
//! Memory and time are bounded whatever the file holds: lines are streamed, and of a giant file the beginning and the end
//! are read. (C) The same line gives the same event with the same id however often it is read, so that reading again has no
//! second effect. (D) Nothing is claimed that no line shows: a call whose result may stand in what was left out is neither
//! finished nor open.

mod calls;
mod content;
mod events;
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
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use shim_proto::checkpoint::v1::ObservedEvent;
use shim_runtime::data_dir::{OpenError, open_named};
use uuid::Uuid;

use events::Origin;
use lines::{Part, read_parts};
use reader::Reader;

pub(crate) use usage::context_tokens;

pub use newest::{Found, newest, project_folder};

/// How much of a transcript is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the beginning of a file that is larger than beginning and end together.
    pub head_bytes: u64,
    /// Bytes of the end of such a file.
    pub tail_bytes: u64,
    /// Bytes of a line; longer ones are skipped.
    pub line_bytes: usize,
    /// Events; the oldest but the first prompt make room.
    pub events: usize,
    /// Files of subagents, the ones that changed last.
    pub subagents: usize,
    /// Bytes of each of them: a quarter at the beginning, the rest at the end.
    pub subagent_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 4 << 20,
            tail_bytes: 60 << 20,
            line_bytes: 16 << 20,
            events: 10_000,
            subagents: 50,
            subagent_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// The same for the file of a subagent.
    fn of_subagent(&self) -> Self {
        let head_bytes = self.subagent_bytes / 4;
        Self {
            head_bytes,
            tail_bytes: self.subagent_bytes - head_bytes,
            ..self.clone()
        }
    }
}

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

/// Why a file gives no transcript.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// None of its lines is one of a transcript.
    #[error("it is no transcript of Claude Code: none of its lines names a session")]
    Foreign,
    /// It is the transcript of a subagent alone, whose conversation is in this file.
    #[error("it is the transcript of a subagent; the conversation's own is {}", .0.display())]
    OfSubagent(PathBuf),
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

fn read_into(reader: &mut Reader, path: &Path, limits: &Limits) -> Result<(), ReadError> {
    let file = open_named(path)?;
    let written = file.metadata()?.modified();
    reader.written_at(written.unwrap_or(SystemTime::UNIX_EPOCH));
    read_parts(file, limits, &mut |part| match part {
        Part::Line(line) => reader.line(line),
        Part::TooLong => reader.skip_line(),
        Part::Cut => reader.cut(),
    })?;
    Ok(())
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
