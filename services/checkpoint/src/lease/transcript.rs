//! The transcript of a conversation whose client is gone: it may hold what no hook told.
//!
//! It is read within limits of size and time, off the threads of calls. What a hook told counts more: the store knows each
//! call and prompt once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_claude_code::transcript::{Limits, ReadError, Transcript, read};
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{ClientInfo, ObservedEvent, ObservedState};
use shim_runtime::redact;

use crate::error::Error;
use crate::rpc::checked_event;
use crate::store::Store;

/// How long reading may take. A transcript of a day of work is read in less than a second.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps what the transcript of an observed conversation tells. Answers whether anything of it was new.
///
/// # Errors
/// The store's failures. A transcript that cannot be read is logged and passed over.
pub(super) async fn keep(
    store: &Store,
    client: &ClientInfo,
    seen: &ObservedState,
) -> Result<bool, Error> {
    let path = PathBuf::from(&seen.transcript_path);
    let is_transcript = path.is_absolute() && path.extension().is_some_and(|kind| kind == "jsonl");
    if !is_transcript || !super::evidence::is_here(client) {
        return Ok(false);
    }
    let Some(told) = read_within(&path).await else {
        return Ok(false);
    };
    if told.conversation != seen.conversation {
        tracing::debug!(path = %path.display(), "a transcript is of another conversation; it is passed over");
        return Ok(false);
    }
    let now = store.now();
    let events = told.events.into_iter().filter_map(|mut event| {
        redact_event(&mut event);
        event.client = Some(client.clone());
        checked_event(event, now).ok()
    });
    let events: Vec<ObservedEvent> = events.collect();
    if events.is_empty() {
        return Ok(false);
    }
    Ok(store.observe(events).await?.kept > 0)
}

async fn read_within(path: &Path) -> Option<Transcript> {
    let file = path.to_path_buf();
    let reading = tokio::task::spawn_blocking(move || read(&file, &Limits::default()));
    let read: Result<Transcript, ReadError> = match tokio::time::timeout(READ_TIMEOUT, reading)
        .await
    {
        Ok(Ok(read)) => read,
        Ok(Err(defect)) => {
            tracing::warn!(path = %path.display(), %defect, "a transcript could not be read");
            return None;
        }
        Err(_) => {
            tracing::warn!(path = %path.display(), "a transcript took too long to read; what hooks told must do");
            return None;
        }
    };
    match read {
        Ok(told) => Some(told),
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "a transcript tells nothing");
            None
        }
    }
}

/// What comes by a call passes through the server's redaction; what is read here does not.
fn redact_event(event: &mut ObservedEvent) {
    let secret = redact::string;
    secret(&mut event.cwd);
    match &mut event.event {
        Some(Event::PromptSubmitted(it)) => secret(&mut it.text),
        Some(Event::ToolCallStarted(it)) => {
            secret(&mut it.summary);
            it.files.iter_mut().for_each(|file| secret(&mut file.path));
        }
        Some(Event::ToolCallFinished(it)) => {
            secret(&mut it.summary);
            secret(&mut it.error);
            it.files.iter_mut().for_each(|file| secret(&mut file.path));
            let steps = it.plan.iter_mut().flat_map(|plan| &mut plan.steps);
            steps.for_each(|step| secret(&mut step.text));
        }
        Some(Event::CompactionFinished(it)) => secret(&mut it.summary),
        Some(Event::TurnEnded(it)) => {
            secret(&mut it.error);
            secret(&mut it.last_answer);
        }
        _ => {}
    }
}
