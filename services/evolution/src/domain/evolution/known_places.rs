//! Places that somebody was asked about before, so that a nightly run does not ask every night.

use std::collections::HashSet;

use shim_proto::evolution::v1::{Evolution, EvolutionState};

/// Files with what a transform proposed for them before.
#[derive(Debug, Default)]
pub(crate) struct KnownPlaces {
    /// Transform and path of undecided proposals.
    open: HashSet<(String, String)>,
    /// Transform, path and content of decided ones.
    decided: HashSet<(String, String, String)>,
}

impl KnownPlaces {
    /// What these evolutions are about. An outdated one was never decided.
    pub(crate) fn of(evolutions: impl IntoIterator<Item = Evolution>) -> Self {
        let mut known = Self::default();
        for evolution in evolutions {
            let (state, transform) = (evolution.state(), evolution.transform);
            for file in evolution.files {
                let transform = transform.clone();
                match state {
                    EvolutionState::Proposed | EvolutionState::Applying => {
                        known.open.insert((transform, file.path));
                    }
                    EvolutionState::Outdated | EvolutionState::Unspecified => {}
                    _ => {
                        known.decided.insert((transform, file.path, file.base));
                    }
                }
            }
        }
        known
    }

    /// Whether a change of the file by the transform waits for a decision, or was decided about while the file had the content
    /// `object`: accepted and not merged yet, or turned down.
    pub(crate) fn has(&self, transform: &str, path: &str, object: &str) -> bool {
        let [transform, path, object] = [transform, path, object].map(str::to_owned);
        let open = (transform, path);
        if self.open.contains(&open) {
            return true;
        }
        let (transform, path) = open;
        self.decided.contains(&(transform, path, object))
    }
}

#[cfg(test)]
mod tests {
    use shim_proto::evolution::v1::FileChange;

    use super::*;

    fn evolution(state: EvolutionState, path: &str) -> Evolution {
        Evolution {
            state: state.into(),
            transform: "dead-code".to_owned(),
            files: vec![FileChange {
                path: path.to_owned(),
                base: "one".to_owned(),
                ..FileChange::default()
            }],
            ..Evolution::default()
        }
    }

    #[test]
    fn what_waits_or_was_decided_for_the_same_content_is_known() {
        let known = KnownPlaces::of([
            evolution(EvolutionState::Proposed, "waits.js"),
            evolution(EvolutionState::Rejected, "rejected.js"),
            evolution(EvolutionState::Committed, "committed.js"),
            evolution(EvolutionState::Outdated, "outdated.js"),
        ]);
        let has = |path, object| known.has("dead-code", path, object);
        assert!(has("waits.js", "one") && has("waits.js", "two"));
        for path in ["rejected.js", "committed.js"] {
            assert!(has(path, "one") && !has(path, "two"), "{path}");
        }
        assert!(!has("outdated.js", "one") && !has("new.js", "one"));
        assert!(!known.has("early-return", "waits.js", "one"));
    }
}
