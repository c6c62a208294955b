//! What a hook may say: which facts are news to the conversation that begins, or goes on.
//!
//! (A) A conversation never hears of itself as of another. (B) What was said at a start of the conversation is not said again
//! at the next one: it stays in the client's history. (C) Work that is shared with other workers goes on elsewhere and is
//! not proposed.

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    ClientInfo, ObservedEvent, ObservedState, OpenToolCall, RecoveryCandidate, Session,
    SessionStartSource,
};
use shim_render::session_tasks::SHARED_TASK;
use shim_sqlite::UnixMicros;

use super::observation::micros;

/// Why a conversation begins, if that is what an event says.
pub(crate) fn started(event: &ObservedEvent) -> Option<SessionStartSource> {
    match &event.event {
        Some(Event::SessionStarted(started)) if event.agent_id.is_empty() => {
            Some(match started.source() {
                SessionStartSource::Unspecified => SessionStartSource::Startup,
                source => source,
            })
        }
        _ => None,
    }
}

/// Whether a candidate is news to a conversation: it is another's, and not only shared work.
pub(crate) fn is_news(
    candidate: &RecoveryCandidate,
    own_session: Option<&str>,
    conversation: &str,
) -> bool {
    let Some(session) = &candidate.session else {
        return false;
    };
    let client = session.client.as_ref();
    let is_own = own_session == Some(session.id.as_str())
        || client.is_some_and(|client| client.conversation == conversation);
    let mut tasks = candidate.tasks.iter().filter_map(|open| open.task.as_ref());
    let is_shared =
        !candidate.tasks.is_empty() && tasks.all(|task| task.task_key.starts_with(SHARED_TASK));
    candidate.same_project && !is_own && !is_shared
}

/// When the conversation began or went on before this event, by the newest events of its session; `None` if that is not
/// among them.
pub(crate) fn previous_start(newest: &[ObservedEvent], this: &ObservedEvent) -> Option<UnixMicros> {
    let at = |event: &ObservedEvent| micros(event.at.as_ref());
    let is_earlier = |event: &&ObservedEvent| {
        event.conversation == this.conversation
            && event.event_id != this.event_id
            && at(event) <= at(this)
            && started(event).is_some_and(|source| source != SessionStartSource::Compact)
    };
    let earlier = newest.iter().filter(is_earlier).map(at).max();
    earlier.map(UnixMicros)
}

/// The calls that were in hand when the conversation was interrupted, as far as no start before told of them.
pub(crate) fn calls_to_tell(
    seen: &ObservedState,
    previous_start: Option<UnixMicros>,
) -> Vec<OpenToolCall> {
    let told_until = previous_start.map_or(0, |at| at.0);
    let is_untold = |call: &&OpenToolCall| micros(call.started_at.as_ref()) > told_until;
    let calls = seen.open_tool_calls.iter();
    calls.filter(is_untold).cloned().collect()
}

/// The client that took the session of a conversation over, if one did since the start before.
pub(crate) fn taken_over<'a>(
    session: &'a Session,
    conversation: &str,
    restored_at: Option<UnixMicros>,
    previous_start: Option<UnixMicros>,
) -> Option<&'a ClientInfo> {
    let owner = session.client.as_ref()?;
    let is_others = !owner.conversation.is_empty() && owner.conversation != conversation;
    let is_untold = restored_at > previous_start;
    (is_others && is_untold).then_some(owner)
}

#[cfg(test)]
mod tests {
    use shim_proto::checkpoint::v1::{OpenTask, SessionStarted, SessionTask};

    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn start(
        id: &str,
        conversation: &str,
        seconds: i64,
        source: SessionStartSource,
    ) -> ObservedEvent {
        ObservedEvent {
            event_id: id.into(),
            conversation: conversation.into(),
            at: at(seconds),
            event: Some(Event::SessionStarted(SessionStarted {
                source: source.into(),
                ..SessionStarted::default()
            })),
            ..ObservedEvent::default()
        }
    }

    #[test]
    fn a_call_in_hand_is_told_at_the_first_start_behind_it_only() {
        use SessionStartSource::{Compact, Resume};
        let call = |seconds| OpenToolCall {
            started_at: at(seconds),
            ..OpenToolCall::default()
        };
        let seen = ObservedState {
            open_tool_calls: vec![call(10), call(20)],
            ..ObservedState::default()
        };
        let this = start("c", "a", 30, Resume);
        let told =
            |events: &[ObservedEvent]| calls_to_tell(&seen, previous_start(events, &this)).len();
        assert_eq!(told(&[]), 2);
        assert_eq!(
            told(std::slice::from_ref(&this)),
            2,
            "its own start is none before"
        );
        assert_eq!(told(&[start("b", "a", 25, Resume)]), 0);
        assert_eq!(told(&[start("b", "a", 15, Resume)]), 1);
        assert_eq!(told(&[start("b", "a", 25, Compact)]), 2);
        assert_eq!(told(&[start("b", "other", 25, Resume)]), 2);
    }

    #[test]
    fn only_the_unfinished_work_of_others_here_is_news() {
        let of = |id: &str, conversation: &str, keys: &[&str]| RecoveryCandidate {
            same_project: true,
            session: Some(Session {
                id: id.into(),
                client: Some(ClientInfo {
                    conversation: conversation.into(),
                    ..ClientInfo::default()
                }),
                ..Session::default()
            }),
            tasks: keys
                .iter()
                .map(|key| OpenTask {
                    task: Some(SessionTask {
                        task_key: (*key).into(),
                        ..SessionTask::default()
                    }),
                    ..OpenTask::default()
                })
                .collect(),
            ..RecoveryCandidate::default()
        };
        let is = |candidate: &RecoveryCandidate| is_news(candidate, Some("s1"), "mine");
        assert!(is(&of("s2", "other", &["t1"])));
        assert!(is(&of("s2", "", &[])));
        assert!(!is(&of("s1", "other", &["t1"])));
        assert!(!is(&of("s2", "mine", &["t1"])));
        assert!(!is(&of("s2", "other", &["task:7"])));
        assert!(is(&of("s2", "other", &["task:7", "t1"])));
        let elsewhere = RecoveryCandidate {
            same_project: false,
            ..of("s2", "other", &["t1"])
        };
        assert!(!is(&elsewhere));
    }

    #[test]
    fn a_new_owner_is_told_once() {
        let session = Session {
            client: Some(ClientInfo {
                conversation: "other".into(),
                ..ClientInfo::default()
            }),
            ..Session::default()
        };
        let time = |at| Some(UnixMicros(at));
        assert!(taken_over(&session, "mine", time(5), None).is_some());
        assert!(taken_over(&session, "mine", time(5), time(4)).is_some());
        assert!(taken_over(&session, "mine", time(5), time(6)).is_none());
        assert!(taken_over(&session, "mine", None, None).is_none());
        assert!(taken_over(&session, "other", time(5), None).is_none());
    }
}
