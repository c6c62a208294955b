//! What became of evolutions, and what the next ones are worth by it.

use shim_proto::evolution::v1::{Confidence, Evolution, Pattern};

use crate::domain::patterns::{OutcomeRecord, confidence, patterns, worth};
use crate::error::EvolutionError;
use crate::store::Store;

/// What is remembered, read once for one call.
pub(crate) struct PatternEngine {
    records: Vec<OutcomeRecord>,
    now_micros: i64,
}

impl PatternEngine {
    /// Reads what is remembered: of one transform if it is named, of all otherwise.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn load(
        store: &Store,
        transform: Option<String>,
    ) -> Result<Self, EvolutionError> {
        Ok(Self {
            records: store.outcomes(transform).await?,
            now_micros: store.now().0,
        })
    }

    /// How sure a proposal of this transform is in the project with this root.
    pub(crate) fn confidence(&self, transform: &str, root: &str) -> Confidence {
        confidence(&self.records, transform, root, self.now_micros)
    }

    /// Gives every proposal its confidence, and puts the best first. Equals keep their order.
    pub(crate) fn rank(&self, proposals: &mut [Evolution]) {
        for proposal in proposals.iter_mut() {
            let root = proposal.project.as_ref().map_or("", |it| it.root.as_str());
            proposal.confidence = Some(self.confidence(&proposal.transform, root));
        }
        proposals.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
    }

    /// The patterns of the project with this root; with an empty root those of every project.
    pub(crate) fn patterns(&self, root: &str) -> Vec<Pattern> {
        patterns(&self.records, root, self.now_micros)
    }
}
