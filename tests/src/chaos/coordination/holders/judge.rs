//! Judges what the holders told.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Event;

/// What a run found. The four counts of broken promises must be 0.
#[derive(Debug, Default, Clone, Serialize)]
pub struct HoldersVerdict {
    /// Where all chance came from.
    pub seed: u64,
    /// Locks that were granted.
    pub acquisitions: u64,
    /// Guarded writes that were accepted.
    pub writes: u64,
    /// Guarded writes that were refused since the lock was lost.
    pub refused_writes: u64,
    /// How often a process was frozen.
    pub freezes: u64,
    /// How often a lock node was killed.
    pub node_kills: u64,
    /// Broken: tokens given twice.
    pub repeated_tokens: u64,
    /// Broken: writes accepted after another process had acquired the lock.
    pub stale_writes: u64,
    /// Broken: writes accepted although the lock's time was up.
    pub late_writes: u64,
    /// Processes that ended with an unexpected answer.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
}

impl HoldersVerdict {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.repeated_tokens + self.stale_writes + self.late_writes + self.failed == 0
    }
}

/// Looks for broken promises. The order of the events does not matter.
pub(super) fn judge(events: &[Event]) -> HoldersVerdict {
    let mut verdict = HoldersVerdict::default();
    let mut tokens: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for event in events {
        match *event {
            Event::Acquired { lock, token } => {
                verdict.acquisitions += 1;
                verdict.repeated_tokens += u64::from(!all.insert(token));
                tokens.entry(lock).or_default().insert(token);
            }
            Event::Wrote { late, .. } => {
                verdict.writes += 1;
                verdict.late_writes += u64::from(late);
            }
            Event::Refused { .. } => verdict.refused_writes += 1,
        }
    }
    for event in events {
        if let Event::Wrote {
            lock,
            token,
            version,
            ..
        } = *event
        {
            let of_lock = tokens.get(&lock);
            let is_known = of_lock.is_some_and(|tokens| tokens.contains(&token));
            let next = of_lock.and_then(|tokens| tokens.range(token + 1..).next());
            let is_in_time = version > token && next.is_none_or(|next| version < *next);
            verdict.stale_writes += u64::from(!(is_known && is_in_time));
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquired(lock: usize, token: u64) -> Event {
        Event::Acquired { lock, token }
    }

    fn wrote(lock: usize, token: u64, version: u64) -> Event {
        Event::Wrote {
            lock,
            token,
            version,
            late: false,
        }
    }

    #[test]
    fn holders_in_turn_are_clean() {
        let events = [
            wrote(0, 1, 2),
            acquired(0, 1),
            acquired(0, 5),
            acquired(1, 3),
            wrote(1, 3, 8),
            wrote(0, 5, 6),
            Event::Refused { lock: 0, token: 1 },
        ];
        let verdict = judge(&events);
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.acquisitions, verdict.writes), (3, 3));
    }

    #[test]
    fn a_write_after_the_next_holder_came_is_stale() {
        let verdict = judge(&[acquired(0, 1), acquired(0, 3), wrote(0, 1, 4)]);
        assert_eq!(verdict.stale_writes, 1);
    }

    #[test]
    fn a_write_with_a_token_nobody_got_is_stale() {
        assert_eq!(judge(&[acquired(0, 1), wrote(1, 1, 4)]).stale_writes, 1);
    }

    #[test]
    fn repeated_tokens_and_late_writes_are_counted() {
        let late = Event::Wrote {
            lock: 0,
            token: 1,
            version: 2,
            late: true,
        };
        let verdict = judge(&[acquired(0, 1), acquired(1, 1), late]);
        assert_eq!((verdict.repeated_tokens, verdict.late_writes), (1, 1));
        assert!(!verdict.is_clean());
    }
}
