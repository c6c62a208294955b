//! Which sessions are worth bringing back, and how sure that is.
//!
//! (A) Only interrupted sessions that were saved, have unfinished work and were not dismissed are candidates.
//! (B) The caller's project comes first, then the most recent.

use shim_proto::checkpoint::v1::{Interruption, InterruptionCause, Session, SessionStatus};

use shim_sqlite::{UnixMicros, to_unix_micros};

/// Whether a session belongs on the recovery list.
pub(crate) fn is_recoverable(session: &Session) -> bool {
    session.status() == SessionStatus::Interrupted
        && session.dismissed_at.is_none()
        && session.head_number > 0
        && is_unfinished(session)
}

/// Work is finished when its progress is complete and no step is left.
pub(crate) fn is_unfinished(session: &Session) -> bool {
    session.progress < 1.0 || session.open_steps > 0
}

/// How sure it is that there is work to bring back, 0..1.
///
/// A crash makes lost work likelier than a closed window does; open steps raise the confidence, age lowers it.
pub(crate) fn confidence(session: &Session, now: UnixMicros) -> f64 {
    let by_cause = match session.interruption.as_ref().map(Interruption::cause) {
        Some(InterruptionCause::ClientClosed) => 0.6,
        Some(InterruptionCause::LeaseExpired | InterruptionCause::Unspecified) | None => 0.75,
        Some(
            InterruptionCause::Killed | InterruptionCause::OutOfMemory | InterruptionCause::Reboot,
        ) => 0.9,
    };
    let by_steps = if session.open_steps > 0 { 0.08 } else { 0.0 };
    let noticed = session
        .interruption
        .as_ref()
        .and_then(|i| to_unix_micros(i.at.as_ref()))
        .unwrap_or(now);
    let days = now.since(noticed).as_secs_f64() / 86_400.0;
    ((by_cause + by_steps) * 0.5_f64.powf(days / 14.0)).clamp(0.05, 0.98)
}

#[cfg(test)]
mod tests {
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
        for other in [finished, dismissed, ended, never_saved] {
            assert!(!is_recoverable(&other));
        }
    }

    #[test]
    fn a_crash_outranks_a_closed_window_and_age_wears_it_down() {
        let mut closed = interrupted();
        closed.interruption = Some(Interruption {
            cause: InterruptionCause::ClientClosed.into(),
            ..Default::default()
        });
        assert!(confidence(&interrupted(), UnixMicros(0)) > confidence(&closed, UnixMicros(0)));
        let month = UnixMicros(30 * 86_400_000_000);
        assert!(confidence(&interrupted(), month) < 0.5);
    }
}
