//! The transcripts there are, the newest first.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use shim_claude_code::transcript::{self, Found, Limits, Transcript};
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_render::figures::bytes;
use shim_render::text::one_line;
use shim_render::time::rfc3339;

use crate::error::CliError;
use crate::output::json::write_value;
use crate::output::say;
use crate::output::table::{Align, Table};
use crate::output::time::ago;

const PROJECT_WIDTH: usize = 32;
const PROMPT_WIDTH: usize = 60;
/// A list needs the last prompt, which stands near the end.
const LOOK: Limits = Limits {
    head_bytes: 256 << 10,
    tail_bytes: 2 << 20,
    line_bytes: 1 << 20,
    events: 1_000,
    subagents: 0,
    subagent_bytes: 0,
};

/// A transcript in a list.
struct Entry {
    found: Found,
    conversation: String,
    folder: String,
    last_prompt: String,
}

/// Prints them as a table, or as an object a line.
pub(super) async fn print(
    found: Vec<Found>,
    project: Option<&Path>,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let look = || found.into_iter().filter_map(entry).collect::<Vec<_>>();
    let entries = tokio::task::spawn_blocking(look).await;
    let entries = entries.map_err(|error| CliError::new(error.to_string()))?;
    if as_json {
        return Ok(entries
            .iter()
            .try_for_each(|entry| write_value(out, &entry.json()))?);
    }
    if entries.is_empty() {
        let of = project.map(|project| format!(" of {}", project.display()));
        writeln!(out, "no transcripts{}", of.unwrap_or_default())?;
        return Ok(());
    }
    table(&entries).print(out)?;
    say::line("`shim sessions recover CONVERSATION` makes a session of one");
    Ok(())
}

/// What is no transcript of a conversation is not listed.
fn entry(found: Found) -> Option<Entry> {
    let read = transcript::read(&found.path, &LOOK).ok()?;
    Some(Entry {
        folder: read
            .events
            .last()
            .map(|event| event.cwd.clone())
            .unwrap_or_default(),
        last_prompt: last_prompt(&read)?,
        conversation: read.conversation,
        found,
    })
}

/// A transcript without one has nothing to bring back.
fn last_prompt(read: &Transcript) -> Option<String> {
    let prompts = read.events.iter().rev();
    prompts
        .filter_map(|event| match &event.event {
            Some(Event::PromptSubmitted(prompt)) if !prompt.by_client => Some(prompt.text.clone()),
            _ => None,
        })
        .next()
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&[
        ("CONVERSATION", Align::Left),
        ("WRITTEN", Align::Left),
        ("SIZE", Align::Right),
        ("FOLDER", Align::Left),
        ("LAST PROMPT", Align::Left),
    ]);
    for entry in entries {
        table.row([
            one_line(&entry.conversation, 36),
            ago(Some(&entry.found.modified.into())),
            bytes(entry.found.bytes),
            one_line(&entry.folder, PROJECT_WIDTH),
            one_line(&entry.last_prompt, PROMPT_WIDTH),
        ]);
    }
    table
}

impl Entry {
    fn json(&self) -> serde_json::Value {
        json!({
            "conversation": self.conversation,
            "path": self.found.path.to_string_lossy(),
            "writtenAt": rfc3339(Some(&self.found.modified.into())),
            "bytes": self.found.bytes,
            "folder": self.folder,
            "lastPrompt": self.last_prompt,
        })
    }
}
