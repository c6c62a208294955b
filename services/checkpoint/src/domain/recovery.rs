//! Which sessions are worth bringing back, and how sure that is.
//!
//! (A) Only interrupted sessions that were saved, have an unfinished task and were not dismissed are candidates.
//! (B) The caller's project comes first, then what was likelier lost. (C) A candidate ages out: after a week if its window
//! was closed in good order, after a month otherwise. It can still be restored by its id.

use std::cmp::Ordering;
use std::time::Duration;

use shim_proto::checkpoint::v1::{Interruption, InterruptionCause, Session, SessionStatus};
use shim_render::session_tasks;
use shim_sqlite::{UnixMicros, to_unix_micros};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long a session is offered whose window was closed in good order: nothing of it was lost.
const OFFERED_CLOSED: Duration = DAY.saturating_mul(7);
/// How long any other is offered.
const OFFERED: Duration = DAY.saturating_mul(30);
/// Work of this time that was saved nowhere weighs as much as the whole of `UNSAVED_WEIGHT`.
const LONG_UNSAVED: Duration = Duration::from_secs(30 * 60);
const UNSAVED_WEIGHT: f64 = 0.05;

/// Whether a session belongs on the recovery list.
pub(crate) fn is_recoverable(session: &Session) -> bool {
    session.status() == SessionStatus::Interrupted
        && session.dismissed_at.is_none()
        && session.head_number > 0
        && session_tasks::has_open(session)
}

fn cause(session: &Session) -> InterruptionCause {
    let interruption = session.interruption.as_ref();
    interruption.map_or(InterruptionCause::Unspecified, Interruption::cause)
}

/// When the interruption was noticed.
pub(crate) fn noticed_at(session: &Session) -> Option<UnixMicros> {
    let interruption = session.interruption.as_ref();
    let at = interruption.and_then(|interruption| to_unix_micros(interruption.at.as_ref()));
    at.or_else(|| to_unix_micros(session.updated_at.as_ref()))
}

/// Whether the session is too old to be offered.
pub(crate) fn is_aged_out(facts: &RankFacts, now: UnixMicros) -> bool {
    let offered = match facts.cause {
        InterruptionCause::ClientClosed => OFFERED_CLOSED,
        _ => OFFERED,
    };
    facts.noticed_at.is_some_and(|at| now.since(at) > offered)
}

/// The time between the newest checkpoint and the interruption: what happened then was saved nowhere.
pub(crate) fn unsaved(session: &Session) -> Duration {
    let saved = to_unix_micros(session.last_checkpoint_at.as_ref());
    match (noticed_at(session), saved) {
        (Some(noticed), Some(saved)) => noticed.since(saved),
        _ => Duration::ZERO,
    }
}

/// What of a session says how sure it is that there is work to bring back; it changes with the session only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RankFacts {
    cause: InterruptionCause,
    noticed_at: Option<UnixMicros>,
    unsaved: Duration,
    has_open_steps: bool,
}

impl RankFacts {
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            cause: cause(session),
            noticed_at: noticed_at(session),
            unsaved: unsaved(session),
            has_open_steps: session_tasks::has_open_steps(session),
        }
    }
}

/// What a candidate is ranked by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rank {
    is_other_project: bool,
    confidence: f64,
    noticed_at: Option<UnixMicros>,
}

impl Rank {
    pub(crate) fn of(facts: &RankFacts, is_other_project: bool, now: UnixMicros) -> Self {
        Self {
            is_other_project,
            confidence: confidence(facts, now),
            noticed_at: facts.noticed_at,
        }
    }

    /// Best first: those of the project asked for, then by confidence, then the most recent.
    pub(crate) fn best_first(&self, other: &Self) -> Ordering {
        self.is_other_project
            .cmp(&other.is_other_project)
            .then_with(|| other.confidence.total_cmp(&self.confidence))
            .then_with(|| other.noticed_at.cmp(&self.noticed_at))
    }
}

/// How sure it is that there is work to bring back, 0..1.
///
/// A crash makes lost work likelier than a closed window does. Open steps and time without a save raise the confidence,
/// age lowers it.
pub(crate) fn confidence(facts: &RankFacts, now: UnixMicros) -> f64 {
    let by_cause = match facts.cause {
        InterruptionCause::ClientClosed => 0.6,
        InterruptionCause::LeaseExpired | InterruptionCause::Unspecified => 0.75,
        InterruptionCause::Terminated => 0.7,
        InterruptionCause::Killed
        | InterruptionCause::OutOfMemory
        | InterruptionCause::Reboot
        | InterruptionCause::UsageLimit
        | InterruptionCause::Overloaded
        | InterruptionCause::ContextFull
        | InterruptionCause::ApiError => 0.87,
    };
    let by_steps = match facts.has_open_steps {
        true => 0.08,
        false => 0.0,
    };
    let lost = (facts.unsaved.as_secs_f64() / LONG_UNSAVED.as_secs_f64()).min(1.0);
    let noticed = facts.noticed_at.unwrap_or(now);
    let days = now.since(noticed).as_secs_f64() / 86_400.0;
    let sure = by_cause + by_steps + UNSAVED_WEIGHT * lost;
    (sure * 0.5_f64.powf(days / 14.0)).clamp(0.05, 0.98)
}

#[cfg(test)]
mod tests {
    use shim_proto::checkpoint::v1::SessionTask;

    use super::*;

    fn interrupted() -> Session {
        Session {
            status: SessionStatus::Interrupted.into(),
            head_number: 3,
            progress: 0.5,
            open_steps: 2,
            interruption: Some(Interruption {
                cause: InterruptionCause::Killed.into(),
                at: Some(UnixMicros(0).into()),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn of(cause: InterruptionCause, at_day: i64) -> Session {
        let mut session = interrupted();
        session.interruption = Some(Interruption {
            cause: cause.into(),
            at: Some(UnixMicros(at_day * 86_400_000_000).into()),
            ..Default::default()
        });
        session
    }

    #[test]
    fn finished_dismissed_ended_and_never_saved_sessions_are_not_offered() {
        assert!(is_recoverable(&interrupted()));
        let finished = Session {
            progress: 1.0,
            open_steps: 0,
            ..interrupted()
        };
        let dismissed = Session {
            dismissed_at: Some(UnixMicros(1).into()),
            ..interrupted()
        };
        let ended = Session {
            status: SessionStatus::Ended.into(),
            ..interrupted()
        };
        let never_saved = Session {
            head_number: 0,
            ..interrupted()
        };
        for other in [&finished, &dismissed, &ended, &never_saved] {
            assert!(!is_recoverable(other));
        }
        let task = |progress| SessionTask {
            progress,
            ..SessionTask::default()
        };
        let left_open = Session {
            tasks: vec![task(1.0), task(0.3)],
            ..finished
        };
        assert!(
            is_recoverable(&left_open),
            "another task's save ends nothing"
        );
    }

    #[test]
    fn what_was_likelier_lost_comes_first_and_closed_windows_age_out() {
        use InterruptionCause::{ClientClosed, Killed, LeaseExpired};
        let now = UnixMicros(40 * 86_400_000_000);
        let mut sessions = [
            of(ClientClosed, 40),
            of(Killed, 20),
            of(LeaseExpired, 40),
            of(Killed, 39),
            Session {
                project: "/other".into(),
                ..of(Killed, 40)
            },
            Session {
                last_checkpoint_at: Some(UnixMicros(39 * 86_400_000_000 - 1_200_000_000).into()),
                ..of(Killed, 39)
            },
        ];
        for session in &mut sessions[..4] {
            session.project = "/here".into();
        }
        sessions[5].project = "/here".into();
        let elsewhere = |session: &Session| session.project != "/here";
        let rank = |session: &Session| Rank::of(&RankFacts::of(session), elsewhere(session), now);
        sessions.sort_by(|one, other| rank(one).best_first(&rank(other)));
        let order: Vec<_> = sessions
            .iter()
            .map(|session| (cause(session), noticed_at(session)))
            .collect();
        let day = |day: i64| Some(UnixMicros(day * 86_400_000_000));
        let expected = [
            (Killed, day(39)),
            (Killed, day(39)),
            (LeaseExpired, day(40)),
            (ClientClosed, day(40)),
            (Killed, day(20)),
            (Killed, day(40)),
        ];
        assert_eq!(order, expected);
        assert!(
            unsaved(&sessions[0]) > Duration::ZERO,
            "more of it was lost"
        );
        for (session, aged_out) in [
            (of(ClientClosed, 34), false),
            (of(ClientClosed, 32), true),
            (of(Killed, 32), false),
            (of(Killed, 9), true),
        ] {
            let facts = RankFacts::of(&session);
            assert_eq!(is_aged_out(&facts, now), aged_out, "{session:?}");
        }
        let old = RankFacts::of(&of(Killed, 10));
        assert!(confidence(&old, now) < 0.5, "age wears it down");
    }
}
