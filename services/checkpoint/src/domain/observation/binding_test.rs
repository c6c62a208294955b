//! Whose session it is.

use shim_proto::checkpoint::v1::*;
use shim_sqlite::UnixMicros;

use super::binding::{OwnerLife, opens, takes_over};
use super::tests::*;
use super::*;

#[test]
fn a_window_that_only_opened_leaves_nothing_and_work_opens_a_session() {
    for idle in [
        started(1, SessionStartSource::Resume),
        ended(1, SessionEndReason::Exit),
        event(1, Event::UsageMeasured(Default::default())),
        event(1, Event::CwdChanged(Default::default())),
    ] {
        assert!(!opens(&idle), "{idle:?}");
    }
    for work in [prompt(1, "p"), begun(1, "a", "/a"), turn_ended(1, "")] {
        assert!(opens(&work), "{work:?}");
    }
}

#[test]
fn a_session_goes_to_whom_lives_and_comes_later() {
    use OwnerLife::{Gone, Lives, Same};
    let of = |status: SessionStatus| Session {
        status: status.into(),
        interruption: Some(Interruption {
            at: Some(UnixMicros(10).into()),
            ..Interruption::default()
        }),
        ended_at: Some(UnixMicros(10).into()),
        ..Session::default()
    };
    let [active, lost, over] = [
        SessionStatus::Active,
        SessionStatus::Interrupted,
        SessionStatus::Ended,
    ]
    .map(of);
    let resume = |at| started(at, SessionStartSource::Resume);
    let mut read = prompt(20, "p");
    read.source = ObservationSource::Transcript.into();
    for (session, event, owner, alive, expected) in [
        (&active, resume(5), Gone, Some(true), true),
        (&active, resume(5), Lives, Some(true), false),
        (&active, prompt(5, "p"), Same, Some(true), false),
        (&active, resume(5), Gone, Some(false), false),
        (&lost, begun(20, "a", "/a"), Same, Some(true), true),
        (&lost, begun(5, "a", "/a"), Same, Some(true), false),
        (&lost, resume(5), Gone, Some(true), true),
        (&lost, resume(20), Gone, Some(false), false),
        (
            &lost,
            ended(20, SessionEndReason::Exit),
            Same,
            Some(true),
            false,
        ),
        (&lost, read, Gone, Some(true), false),
        (&over, prompt(20, "p"), Same, Some(true), true),
        (
            &over,
            finished(20, "a", "/a", ToolOutcome::Succeeded),
            Same,
            Some(true),
            false,
        ),
        (&over, resume(20), Same, None, true),
        (&over, resume(5), Same, Some(true), false),
    ] {
        let takes = takes_over(session, &event, owner, alive);
        assert_eq!(
            takes,
            expected,
            "{:?} {event:?} {owner:?} {alive:?}",
            session.status()
        );
    }
}
