//! Each kind of end is told apart.

use shim_proto::checkpoint::v1::{PlanStep, SessionTask};

use super::*;

const GONE: Evidence = Evidence {
    stream_end: StreamEnd::ClientGone,
    rebooted: false,
    gateway_alive: None,
    client_alive: Some(false),
    oom_kills: 0,
    memory_pressure: None,
};

fn idle() -> ObservedState {
    ObservedState {
        last_turn_outcome: TurnOutcome::Completed.into(),
        prompts: 1,
        ..ObservedState::default()
    }
}

fn busy() -> ObservedState {
    ObservedState {
        is_in_turn: true,
        open_tool_calls: vec![OpenToolCall {
            tool_name: "Bash".into(),
            ..OpenToolCall::default()
        }],
        ..idle()
    }
}

fn ended(reason: Reason, seen: ObservedState) -> ObservedState {
    ObservedState {
        ended: Some(reason.into()),
        ..seen
    }
}

fn failed(outcome: TurnOutcome) -> ObservedState {
    ObservedState {
        last_turn_outcome: outcome.into(),
        ..idle()
    }
}

fn judged(
    evidence: Evidence,
    seen: &ObservedState,
    has_open_work: bool,
) -> Option<(Cause, String)> {
    match judge(&evidence, Some(seen), has_open_work, UnixMicros(0)) {
        End::Well => None,
        End::Interrupted(found) => Some((found.cause(), found.evidence)),
    }
}

fn cause(evidence: Evidence, seen: &ObservedState) -> Option<Cause> {
    judged(evidence, seen, false).map(|(cause, _)| cause)
}

#[test]
fn an_end_that_was_told_is_good_unless_something_is_open() {
    for reason in [
        Reason::Other,
        Reason::Clear,
        Reason::Resume,
        Reason::Exit,
        Reason::Logout,
    ] {
        assert_eq!(cause(GONE, &ended(reason, idle())), None, "{reason:?}");
        let (left, text) = judged(GONE, &ended(reason, idle()), true).unwrap_or_default();
        assert_eq!(left, Cause::ClientClosed, "{reason:?}");
        assert!(text.ends_with("with work left open"), "{text}");
        let (cut, text) = judged(GONE, &ended(reason, busy()), false).unwrap_or_default();
        let expected = match reason {
            Reason::Other => Cause::Terminated,
            _ => Cause::ClientClosed,
        };
        assert_eq!(cut, expected, "{reason:?}");
        assert!(
            text.ends_with("in the middle of a turn, in a call of Bash"),
            "{text}"
        );
    }
}

#[test]
fn a_failed_turn_is_the_cause_whether_the_end_was_told_or_not() {
    for (outcome, expected) in [
        (TurnOutcome::UsageLimit, Cause::UsageLimit),
        (TurnOutcome::Overloaded, Cause::Overloaded),
        (TurnOutcome::ContextFull, Cause::ContextFull),
        (TurnOutcome::Unauthorized, Cause::ApiError),
        (TurnOutcome::ApiError, Cause::ApiError),
    ] {
        let seen = failed(outcome);
        assert_eq!(cause(GONE, &seen), Some(expected));
        assert_eq!(
            cause(GONE, &ended(Reason::Other, seen.clone())),
            Some(expected)
        );
        let again = ObservedState {
            is_in_turn: true,
            ..seen.clone()
        };
        assert_eq!(cause(GONE, &again), Some(Cause::Killed), "a later turn ran");
        let rebooted = Evidence {
            rebooted: true,
            ..GONE
        };
        assert_eq!(cause(rebooted, &seen), Some(Cause::Reboot));
    }
}

#[test]
fn a_process_that_is_gone_was_killed_and_the_sentence_says_where() {
    let (killed, text) = judged(GONE, &busy(), false).unwrap_or_default();
    assert_eq!(killed, Cause::Killed);
    assert!(
        text.contains("process is gone")
            && text.ends_with("in the middle of a turn, in a call of Bash"),
        "{text}"
    );
    let (killed, text) = judged(GONE, &idle(), false).unwrap_or_default();
    assert_eq!(killed, Cause::Killed);
    assert!(text.ends_with("after a turn that was completed"), "{text}");
    let left = Evidence {
        stream_end: StreamEnd::Detached,
        ..GONE
    };
    assert_eq!(
        cause(left, &busy()),
        Some(Cause::Killed),
        "a gateway leaves in good order when its client is killed"
    );
    let memory = Evidence {
        oom_kills: 1,
        ..GONE
    };
    assert_eq!(cause(memory, &busy()), Some(Cause::OutOfMemory));
    let found = Evidence {
        stream_end: StreamEnd::Found,
        ..GONE
    };
    assert_eq!(cause(found, &busy()), Some(Cause::Unspecified));
}

#[test]
fn only_what_was_told_or_planned_is_open_work() {
    let task = |key: &str, progress| SessionTask {
        task_key: key.into(),
        progress,
        ..SessionTask::default()
    };
    let of = |tasks| Session {
        tasks,
        ..Session::default()
    };
    assert!(has_open_work(&of(vec![task("t1", 0.5)]), None));
    assert!(!has_open_work(&of(vec![task("t1", 1.0)]), None));
    let observed = of(vec![task(OBSERVED_TASK, 0.0)]);
    assert!(!has_open_work(&observed, Some(&idle())));
    let planned = ObservedState {
        plan: vec![PlanStep {
            text: "test".into(),
            ..PlanStep::default()
        }],
        ..idle()
    };
    assert!(has_open_work(&observed, Some(&planned)));
}
