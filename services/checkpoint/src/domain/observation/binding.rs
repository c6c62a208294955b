//! Which events begin a session, and which make one that lost its owner active again.

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    ObservationSource, ObservedEvent, Session, SessionStartSource, SessionStatus,
};

use super::kept::micros;

/// What this machine knows of the owner of a session, seen from the client that told an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnerLife {
    /// It is that client's process.
    Same,
    /// It is another process, which is gone.
    Gone,
    /// It is another process, which lives or cannot be seen from here.
    Lives,
}

/// Whether an event of a conversation that has no session is a reason to open one: a window that was opened and closed
/// leaves nothing.
pub(crate) fn opens(event: &ObservedEvent) -> bool {
    !matches!(
        event.event,
        None | Some(
            Event::SessionStarted(_)
                | Event::SessionEnded(_)
                | Event::UsageMeasured(_)
                | Event::CwdChanged(_)
        )
    )
}

/// Whether the client that told the event takes its session over. `is_teller_alive` is `None` where it cannot be seen.
///
/// An event that came late, of a process that is gone or from before the session lost its owner, takes nothing over; nor
/// does one that was read from a transcript.
pub(crate) fn takes_over(
    session: &Session,
    event: &ObservedEvent,
    owner: OwnerLife,
    is_teller_alive: Option<bool>,
) -> bool {
    if event.source() == ObservationSource::Transcript || is_teller_alive == Some(false) {
        return false;
    }
    let is_other_alive = owner != OwnerLife::Same && is_teller_alive == Some(true);
    let is_after = |time: i64| micros(event.at.as_ref()) > time;
    match session.status() {
        SessionStatus::Active | SessionStatus::Unspecified => {
            owner == OwnerLife::Gone && shows_life(event)
        }
        SessionStatus::Interrupted => {
            let lost = session.interruption.as_ref();
            let lost = lost.map_or(0, |lost| micros(lost.at.as_ref()));
            shows_life(event) && (is_other_alive || is_after(lost))
        }
        SessionStatus::Ended => {
            let ended = micros(session.ended_at.as_ref());
            begins_anew(event) && (is_other_alive || is_after(ended))
        }
    }
}

/// Whether the client works in the conversation. Figures of the status line come from an idle one, too.
fn shows_life(event: &ObservedEvent) -> bool {
    !matches!(
        event.event,
        None | Some(Event::SessionEnded(_) | Event::UsageMeasured(_))
    )
}

/// Whether somebody takes up the conversation: what else comes of one that was ended is its end.
fn begins_anew(event: &ObservedEvent) -> bool {
    match &event.event {
        Some(Event::SessionStarted(started)) => started.source() != SessionStartSource::Compact,
        Some(Event::PromptSubmitted(prompt)) => !prompt.by_client,
        _ => false,
    }
}
