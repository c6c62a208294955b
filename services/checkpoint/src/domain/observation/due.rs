//! When the service saves what it observed.

use std::time::Duration;

use shim_proto::checkpoint::v1::CheckpointTrigger;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_sqlite::UnixMicros;

/// How long observed work may stand in no checkpoint (`checkpoint.observed.*`).
#[derive(Debug, Clone, Copy)]
pub struct ObservedPace {
    /// After so many tool calls that ended (`checkpoint.observed.every_calls`, 10).
    pub every_calls: u64,
    /// After so long, if there is news (`checkpoint.observed.every`, 5 min).
    pub every: Duration,
}

/// Moments at which a checkpoint is due whatever was saved lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moments {
    pub(crate) compaction_started: bool,
    pub(crate) turn_ended: bool,
    pub(crate) session_ended: bool,
    /// Something was read from a transcript.
    pub(crate) read_transcript: bool,
}

impl Moments {
    /// Notes an event of the conversation itself.
    pub(crate) fn note(&mut self, event: Option<&Event>) {
        match event {
            Some(Event::CompactionStarted(_)) => self.compaction_started = true,
            Some(Event::TurnEnded(_)) => self.turn_ended = true,
            Some(Event::SessionEnded(_)) => self.session_ended = true,
            _ => {}
        }
    }
}

/// What stands in no checkpoint of the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unsaved {
    pub(crate) has_news: bool,
    /// Tool calls that ended since.
    pub(crate) calls: u64,
    /// Since when.
    pub(crate) since: i64,
    /// Whether the session has a live owner. Nobody else will save one that has none.
    pub(crate) is_owned: bool,
    pub(crate) moments: Moments,
}

/// Why a checkpoint is due; `None` if none is.
pub(crate) fn due(
    unsaved: &Unsaved,
    pace: &ObservedPace,
    now: UnixMicros,
) -> Option<CheckpointTrigger> {
    if !unsaved.has_news {
        return None;
    }
    let moments = unsaved.moments;
    if moments.session_ended {
        return Some(CheckpointTrigger::SessionEnd);
    }
    if moments.compaction_started {
        return Some(CheckpointTrigger::PreCompact);
    }
    if moments.turn_ended {
        return Some(CheckpointTrigger::TurnEnd);
    }
    let is_pace =
        unsaved.calls >= pace.every_calls || now.since(UnixMicros(unsaved.since)) >= pace.every;
    match (unsaved.is_owned, moments.read_transcript) {
        (false, true) => Some(CheckpointTrigger::Transcript),
        (false, false) => Some(CheckpointTrigger::Observed),
        (true, _) => is_pace.then_some(CheckpointTrigger::Observed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: ObservedPace = ObservedPace {
        every_calls: 10,
        every: Duration::from_secs(300),
    };

    fn of(calls: u64, age: i64, moments: Moments) -> Option<CheckpointTrigger> {
        let unsaved = Unsaved {
            has_news: true,
            calls,
            since: 1_000_000,
            is_owned: true,
            moments,
        };
        due(&unsaved, &PACE, UnixMicros(1_000_000 + age))
    }

    #[test]
    fn work_is_saved_by_calls_by_time_and_at_moments_and_without_news_never() {
        let none = Moments::default();
        let moment = |event: Event| {
            let mut moments = Moments::default();
            moments.note(Some(&event));
            moments
        };
        let minutes = |minutes: i64| minutes * 60_000_000;
        assert_eq!(of(9, minutes(4), none), None);
        assert_eq!(of(10, 0, none), Some(CheckpointTrigger::Observed));
        assert_eq!(of(0, minutes(5), none), Some(CheckpointTrigger::Observed));
        for (event, trigger) in [
            (
                Event::CompactionStarted(Default::default()),
                CheckpointTrigger::PreCompact,
            ),
            (
                Event::TurnEnded(Default::default()),
                CheckpointTrigger::TurnEnd,
            ),
            (
                Event::SessionEnded(Default::default()),
                CheckpointTrigger::SessionEnd,
            ),
        ] {
            assert_eq!(of(0, 0, moment(event)), Some(trigger));
            let unsaved = Unsaved {
                moments: moment(event_of(trigger)),
                ..Unsaved::default()
            };
            assert_eq!(due(&unsaved, &PACE, UnixMicros(i64::MAX)), None);
        }
    }

    fn event_of(trigger: CheckpointTrigger) -> Event {
        match trigger {
            CheckpointTrigger::PreCompact => Event::CompactionStarted(Default::default()),
            CheckpointTrigger::TurnEnd => Event::TurnEnded(Default::default()),
            _ => Event::SessionEnded(Default::default()),
        }
    }

    #[test]
    fn what_comes_of_a_session_without_an_owner_is_saved_at_once() {
        let mut unsaved = Unsaved {
            has_news: true,
            ..Unsaved::default()
        };
        let saved = |unsaved: &Unsaved| due(unsaved, &PACE, UnixMicros(0));
        assert_eq!(saved(&unsaved), Some(CheckpointTrigger::Observed));
        unsaved.moments.read_transcript = true;
        assert_eq!(saved(&unsaved), Some(CheckpointTrigger::Transcript));
    }
}
