//! What a run found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::calls::Activity;
use super::leftovers::Leftovers;
use super::victims::Victim;

/// A client that left waits so long for the end of all that worked for it.
const CANCELLED_WITHIN: Duration = Duration::from_secs(2);

/// What a run found. `broken` must be empty.
#[derive(Debug, Default, Clone, Serialize)]
pub struct EvolutionVerdict {
    /// Kills, each followed by a look at everything and by the same call again.
    pub rounds: u64,
    /// Where all chance came from.
    pub seed: u64,
    /// Kills by victim.
    pub kills: BTreeMap<Victim, u64>,
    /// Calls during which something was killed.
    pub calls: BTreeMap<Activity, u64>,
    /// Calls that ended before their victim began; they are no rounds.
    pub too_late: u64,
    /// Calls that were answered although a program of theirs was killed.
    pub answered: u64,
    /// Calls that were refused because of that.
    pub refused: u64,
    /// Starts that were killed before the service was ready.
    pub killed_starts: u64,
    /// From the moment a client left until nothing worked for it any more, in milliseconds: half took at most so long.
    pub cancelled_ms_p50: u64,
    /// The same, of the slowest.
    pub cancelled_ms_max: u64,
    /// Each of them.
    #[serde(skip)]
    pub(super) cancelled: Vec<Duration>,
    /// What was not as promised, each with its round.
    pub broken: Vec<String>,
}

impl EvolutionVerdict {
    /// Whether every promise was kept, but for those of time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// Whether everything ended within two seconds after a client left.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        Duration::from_millis(self.cancelled_ms_max) <= CANCELLED_WITHIN
    }

    pub(super) fn add(&mut self, about: &str, found: &Leftovers) {
        for (kind, items) in found.kinds() {
            for item in items {
                self.broken.push(format!("{about}: {kind}: {item}"));
            }
        }
    }

    pub(super) fn add_cancelled(&mut self, took: Duration) {
        self.cancelled.push(took);
        self.cancelled.sort_unstable();
        let millis = |took: &Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let middle = self.cancelled.get((self.cancelled.len() - 1) / 2);
        self.cancelled_ms_p50 = middle.map_or(0, millis);
        self.cancelled_ms_max = self.cancelled.last().map_or(0, millis);
    }
}
