//! What a run found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calls::Activity;
use super::leftovers::Leftovers;
use super::victims::Victim;

/// What a run found. `broken` must be empty.
#[derive(Debug, Default, Clone, Serialize)]
pub struct EvolutionVerdict {
    /// Kills, each followed by a look at everything.
    pub rounds: u64,
    /// Where all chance came from.
    pub seed: u64,
    /// Kills by victim.
    pub kills: BTreeMap<Victim, u64>,
    /// Calls during which something was killed.
    pub calls: BTreeMap<Activity, u64>,
    /// Calls that were answered all the same.
    pub answered: u64,
    /// Calls that this version does not have.
    pub unknown: Vec<Activity>,
    /// Starts that were killed before the service was ready.
    pub killed_starts: u64,
    /// Starts with the tools removed, which the next call installs anew.
    pub lost_tools: u64,
    /// What was not as promised, each with its round.
    pub broken: Vec<String>,
}

impl EvolutionVerdict {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    pub(super) fn add(&mut self, round: u64, what: &str, found: &Leftovers) {
        for (kind, items) in found.kinds() {
            for item in items {
                self.broken
                    .push(format!("round {round}, {what}: {kind}: {item}"));
            }
        }
    }
}
