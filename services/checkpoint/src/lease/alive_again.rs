//! Whether a conversation that was interrupted is alive again although nobody told: its client keeps a file for each live
//! session, and its daemon one for each that it is about to start again.

use std::path::Path;
use std::time::Duration;

use shim_claude_code::{job, live_session};
use shim_proto::checkpoint::v1::{ObservedState, Session};
use shim_sqlite::{UnixMicros, to_unix_micros};

use super::evidence::is_here;

/// A daemon starts a session again some ten seconds after its death; one that did not within this time will not.
const RESPAWN_WITHIN: Duration = Duration::from_secs(60);

/// Whether the session's conversation is alive, or will be in a moment: then it is not offered to be brought back.
pub(crate) fn is_back(session: &Session, seen: Option<&ObservedState>, now: UnixMicros) -> bool {
    let Some(seen) = seen.filter(|_| session.client.as_ref().is_some_and(is_here)) else {
        return false;
    };
    let transcript = Path::new(&seen.transcript_path);
    let Some(folder) = live_session::folder_of_transcript(transcript) else {
        return false;
    };
    let is_alive = |conversation: &str| {
        live_session::of_conversation(folder, conversation).is_some_and(|live| live.is_alive)
    };
    is_alive(&seen.conversation)
        || (is_fresh(session, now) && job::is_respawning(folder, &seen.conversation))
}

/// Whether the conversation of this state has a live process, by its client's own files; `None` if there are none of it.
pub(super) fn is_alive(seen: &ObservedState) -> Option<bool> {
    let folder = live_session::folder_of_transcript(Path::new(&seen.transcript_path))?;
    let live = live_session::of_conversation(folder, &seen.conversation)?;
    Some(live.is_alive)
}

fn is_fresh(session: &Session, now: UnixMicros) -> bool {
    let interruption = session.interruption.as_ref();
    let at = interruption.and_then(|interruption| to_unix_micros(interruption.at.as_ref()));
    at.is_some_and(|at| now.since(at) < RESPAWN_WITHIN)
}
