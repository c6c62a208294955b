//! How a conversation ended whose client tells of itself: what was told of its end, and else what is left of it.
//!
//! (A) What the client told of its end counts before what is missing. (B) A conversation that ended in good order with
//! nothing open is ended; any other is interrupted, with its likeliest cause. (C) The sentence of evidence names a call that
//! was in hand.

use shim_proto::checkpoint::v1::{
    Interruption, InterruptionCause as Cause, ObservedState, OpenToolCall, Session,
    SessionEndReason as Reason, TurnOutcome,
};
use shim_render::observed::{end_phrase, failure_phrase, open_plan};
use shim_render::session_tasks::{self, OBSERVED_TASK};
use shim_render::text::name;
use shim_sqlite::UnixMicros;

use super::cause::{Evidence, StreamEnd, diagnose};

const MAX_TOOL: usize = 60;

/// What becomes of a session whose client is gone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// It ended, and nothing of it is open.
    Well,
    /// It waits to be brought back.
    Interrupted(Interruption),
}

/// Judges the end of a conversation. `has_open_work` is what [`has_open_work`] says of its session.
pub(crate) fn judge(
    evidence: &Evidence,
    seen: Option<&ObservedState>,
    has_open_work: bool,
    at: UnixMicros,
) -> End {
    let Some(seen) = seen else {
        return End::Interrupted(diagnose(evidence, at));
    };
    let found = match seen.ended {
        Some(_) => match told_end(seen, has_open_work) {
            Some(found) => found,
            None => return End::Well,
        },
        None => untold_end(evidence, seen, at),
    };
    let (cause, confidence, evidence) = found;
    End::Interrupted(Interruption {
        cause: cause.into(),
        confidence,
        evidence,
        at: Some(at.into()),
    })
}

/// Whether a session has work that nobody finished: a told task, or a step of the model's own list. What it was asked for
/// last is not known to be open once the turn ended.
pub(crate) fn has_open_work(session: &Session, seen: Option<&ObservedState>) -> bool {
    let open = session_tasks::open(session);
    let is_told = open.iter().any(|task| task.task_key != OBSERVED_TASK);
    is_told || seen.is_some_and(|seen| !open_plan(seen).is_empty())
}

/// Whether the model was at work when the client was seen last.
pub(crate) fn is_in_hand(seen: &ObservedState) -> bool {
    seen.is_in_turn || own_call(seen).is_some()
}

/// The call of the conversation itself that began last.
fn own_call(seen: &ObservedState) -> Option<&OpenToolCall> {
    let calls = seen.open_tool_calls.iter();
    calls.rev().find(|call| call.agent_id.is_empty())
}

/// The client ended the conversation; `None` if in good order, with nothing left open.
fn told_end(seen: &ObservedState, has_open_work: bool) -> Option<(Cause, f64, String)> {
    let reason = seen.ended();
    let is_other = matches!(reason, Reason::Unspecified | Reason::Other);
    let how = end_phrase(reason);
    if let Some((cause, failure)) = failed_turn(seen) {
        let text = format!("the last turn failed, since {failure}; then {how}");
        return Some((cause, 0.9, text));
    }
    if is_in_hand(seen) {
        let call = in_call(seen);
        return Some(match is_other {
            true => (
                Cause::Terminated,
                0.8,
                format!(
                    "the client was told to stop, or its terminal was closed, in the middle of a turn{call}"
                ),
            ),
            false => (
                Cause::ClientClosed,
                0.9,
                format!("{how} in the middle of a turn{call}"),
            ),
        });
    }
    has_open_work.then(|| {
        let text = format!("{how} in good order, with work left open");
        (Cause::ClientClosed, 1.0, text)
    })
}

/// The client is gone, or silent, and told no end.
fn untold_end(evidence: &Evidence, seen: &ObservedState, at: UnixMicros) -> (Cause, f64, String) {
    let is_gone = evidence.client_alive == Some(false) && !evidence.rebooted;
    if is_gone && let Some((cause, failure)) = failed_turn(seen) {
        let text =
            format!("the last turn failed, since {failure}; then the client's process was gone");
        return (cause, 0.8, text);
    }
    if evidence.stream_end == StreamEnd::Found {
        let text = format!(
            "no process has the conversation, and its transcript does not tell how it ended{}",
            when(seen)
        );
        return (Cause::Unspecified, 0.5, text);
    }
    // A gateway leaves in good order when its client is killed: it is the client that counts.
    let evidence = match (is_gone, evidence.stream_end) {
        (true, StreamEnd::Detached) => &Evidence {
            stream_end: StreamEnd::Broken,
            ..*evidence
        },
        _ => evidence,
    };
    let found = diagnose(evidence, at);
    let text = format!("{}{}", found.evidence, when(seen));
    (found.cause(), found.confidence, text)
}

/// Where the work stood, behind a sentence.
fn when(seen: &ObservedState) -> String {
    match is_in_hand(seen) {
        true => format!(", in the middle of a turn{}", in_call(seen)),
        false if seen.last_turn_outcome() == TurnOutcome::Completed => {
            ", after a turn that was completed".to_owned()
        }
        false => String::new(),
    }
}

fn in_call(seen: &ObservedState) -> String {
    own_call(seen).map_or_else(String::new, |call| {
        format!(", in a call of {}", name(&call.tool_name, MAX_TOOL))
    })
}

/// How the last turn failed, unless another one runs.
fn failed_turn(seen: &ObservedState) -> Option<(Cause, &'static str)> {
    let outcome = seen.last_turn_outcome();
    let cause = match outcome {
        TurnOutcome::Unspecified | TurnOutcome::Completed => return None,
        TurnOutcome::UsageLimit => Cause::UsageLimit,
        TurnOutcome::Overloaded => Cause::Overloaded,
        TurnOutcome::ContextFull => Cause::ContextFull,
        TurnOutcome::Unauthorized | TurnOutcome::ApiError => Cause::ApiError,
    };
    let phrase = failure_phrase(outcome).filter(|_| !seen.is_in_turn)?;
    Some((cause, phrase))
}

#[cfg(test)]
#[path = "ends_tests.rs"]
mod tests;
