//! What this process knows of the checkpoints of the sessions that it had: it shows when the database went back behind them.
//!
//! Numbers of a session only grow. One that is smaller than before, or a session that is not there any more, means that a
//! backup took the database's place (or that the session was deleted).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shim_proto::checkpoint::v1::Notice;

/// What is known of one session.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// The newest checkpoint.
    newest: u64,
    /// The highest epoch at which this process owned it.
    epoch: u64,
    /// Whether the service has it no more.
    is_missing: bool,
    /// The session in which its work goes on.
    moved_to: Option<String>,
}

/// The sessions that this process had.
#[derive(Debug, Default)]
pub(crate) struct SeenCheckpoints(Mutex<HashMap<String, Seen>>);

impl SeenCheckpoints {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process owns the session at this epoch.
    pub(super) fn note_owned(&self, session_id: &str, epoch: u64) {
        let mut sessions = self.sessions();
        let seen = sessions.entry(session_id.to_owned()).or_default();
        seen.epoch = seen.epoch.max(epoch);
        seen.is_missing = false;
    }

    /// The newest checkpoint that is known.
    pub(super) fn newest(&self, session_id: &str) -> u64 {
        self.sessions()
            .get(session_id)
            .map_or(0, |seen| seen.newest)
    }

    /// The session stands at `head`, while this process knew of checkpoint `known` when it asked. Answers what it should hear if
    /// the session went back, unless it was told already.
    pub(super) fn note_head(&self, session_id: &str, known: u64, head: u64) -> Option<Notice> {
        let mut sessions = self.sessions();
        let seen = sessions.entry(session_id.to_owned()).or_default();
        if head >= known {
            seen.newest = seen.newest.max(head);
            return None;
        }
        if seen.newest < known {
            return None;
        }
        seen.newest = head;
        Some(notice("rolled_back", rolled_back(session_id, known, head)))
    }

    /// This process saved checkpoint `number`, and knew of checkpoint `known` before: the number is greater unless the session
    /// went back.
    pub(super) fn note_saved(&self, session_id: &str, known: u64, number: u64) -> Option<Notice> {
        let told = (number <= known)
            .then(|| self.note_head(session_id, known, number.saturating_sub(1)))
            .flatten();
        let mut sessions = self.sessions();
        let seen = sessions.entry(session_id.to_owned()).or_default();
        seen.newest = seen.newest.max(number);
        told
    }

    /// Whether the service is at an epoch that this process was beyond: nobody takes an epoch back but a backup.
    pub(super) fn is_behind(&self, session_id: &str, epoch: u64) -> bool {
        self.sessions()
            .get(session_id)
            .is_some_and(|seen| seen.epoch > epoch)
    }

    /// The service has the session no more. Answers whether this process ever owned it.
    pub(super) fn note_missing(&self, session_id: &str) -> bool {
        let mut sessions = self.sessions();
        let Some(seen) = sessions.get_mut(session_id) else {
            return false;
        };
        seen.is_missing = true;
        true
    }

    /// Whether this process owned the session, and the service has it no more.
    pub(super) fn is_missing(&self, session_id: &str) -> bool {
        self.sessions()
            .get(session_id)
            .is_some_and(|seen| seen.is_missing)
    }

    /// The work of a session that is missing goes on in another one. Answers what that should hear.
    pub(super) fn note_moved(&self, from: &str, to: &str) -> Notice {
        let mut sessions = self.sessions();
        let seen = sessions.entry(from.to_owned()).or_default();
        seen.moved_to = Some(to.to_owned());
        let newest = match seen.newest {
            0 => "it had no checkpoint".to_owned(),
            number => format!(
                "its checkpoints, the newest was {number}, are only in the database from before, if there is one: \
                 the user can look with `shim sessions verify`"
            ),
        };
        notice(
            "session_missing",
            format!(
                "session {from} is not in the database any more: a backup from before it was restored, or it was deleted; \
                 its work goes on in this session, {to}; {newest}. Decisions and steps that no call names again are not in it"
            ),
        )
    }

    /// The session in which the work of this one goes on: itself, unless it went missing.
    pub(super) fn current(&self, session_id: &str) -> String {
        let sessions = self.sessions();
        let mut current = session_id;
        // As long as the chain: a session is never moved to one from before it.
        for _ in 0..sessions.len() {
            match sessions
                .get(current)
                .and_then(|seen| seen.moved_to.as_deref())
            {
                Some(next) => current = next,
                None => break,
            }
        }
        current.to_owned()
    }
}

fn notice(kind: &str, text: String) -> Notice {
    Notice {
        kind: kind.to_owned(),
        text,
        at: Some(std::time::SystemTime::now().into()),
    }
}

fn rolled_back(session_id: &str, from: u64, to: u64) -> String {
    let stands = match to {
        0 => "it has none of its checkpoints".to_owned(),
        number => format!("it stands at checkpoint {number}"),
    };
    let lost = match from - to {
        1 => format!("checkpoint {from} is"),
        _ => format!("checkpoints {} to {from} are", to + 1),
    };
    format!(
        "the database was rolled back, as by `shim sessions restore-backup`: session {session_id} went from checkpoint {from} \
         to {to}; {stands}, and {lost} only in the database from before. Save again what is still needed of them: decisions, \
         finished steps and the plan are those of checkpoint {to}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a call saves: what is known is read before.
    fn save(seen: &SeenCheckpoints, number: u64) -> Option<String> {
        let known = seen.newest("s");
        seen.note_saved("s", known, number)
            .map(|notice| notice.text)
    }

    #[test]
    fn a_head_behind_what_was_saved_is_told_once_with_both_numbers() {
        let seen = SeenCheckpoints::default();
        seen.note_owned("s", 1);
        for number in 1..=7 {
            assert_eq!(save(&seen, number), None);
        }
        assert_eq!(seen.note_head("s", 7, 7), None);
        assert_eq!(
            seen.note_head("s", 3, 4),
            None,
            "attached before the newest saves"
        );
        let told = seen
            .note_head("s", 7, 3)
            .map(|it| it.text)
            .unwrap_or_default();
        assert!(told.contains("from checkpoint 7 to 3"), "{told}");
        assert!(told.contains("checkpoints 4 to 7 are"), "{told}");
        assert_eq!(
            seen.note_saved("s", 7, 4),
            None,
            "a save that was on its way"
        );
        assert_eq!(save(&seen, 5), None);
    }

    #[test]
    fn a_save_that_is_numbered_again_is_told() {
        for (saved, then, expected) in [
            (3, 3, Some("from checkpoint 3 to 2")),
            (70, 2, Some("from checkpoint 70 to 1")),
            (1, 1, Some("from checkpoint 1 to 0")),
            (3, 4, None),
        ] {
            let seen = SeenCheckpoints::default();
            assert_eq!(save(&seen, saved), None);
            let told = save(&seen, then);
            match expected {
                Some(part) => assert!(told.unwrap_or_default().contains(part), "{part}"),
                None => assert_eq!(told, None),
            }
            assert_eq!(seen.note_head("s", saved, then), None, "told by the save");
            assert_eq!(save(&seen, then + 1), None);
        }
    }

    #[test]
    fn answers_that_overtake_each_other_are_no_way_back() {
        let seen = SeenCheckpoints::default();
        // Two saves began at once, and the later one was answered first.
        assert_eq!(seen.note_saved("s", 0, 2), None);
        assert_eq!(seen.note_saved("s", 0, 1), None);
        // A save was kept, its answer lost, and the session attached before it was asked again.
        assert_eq!(seen.note_head("s", 2, 3), None);
        assert_eq!(seen.note_saved("s", 2, 3), None);
    }

    #[test]
    fn a_missing_session_is_followed_to_where_its_work_goes_on() {
        let seen = SeenCheckpoints::default();
        assert!(!seen.note_missing("of another process"));
        seen.note_owned("a", 4);
        assert!(seen.is_behind("a", 3) && !seen.is_behind("a", 4));
        assert!(seen.note_missing("a") && seen.is_missing("a"));
        assert_eq!(seen.note_moved("a", "b").kind, "session_missing");
        seen.note_moved("b", "c");
        assert_eq!(seen.current("a"), "c");
        assert_eq!(seen.current("d"), "d");
    }
}
