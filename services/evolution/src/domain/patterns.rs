//! What outcomes say of a transform: a Beta posterior over counts that lose half their weight in 90 days.
//!
//! (A) An outcome counts as kept (accepted) or not (rejected, reverted, broken); one evolution has one outcome.
//! (B) Before anything is known, every share is as likely as any other: Beta(1, 1).
//! (C) In a project's own context, what other projects show counts for at most [`BORROWED`] outcomes.

mod beta;
mod ranking;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use shim_proto::evolution::v1::{Confidence, EvolutionState, Pattern};

pub(crate) use ranking::worth;

/// The context that all projects share.
pub(crate) const ALL_PROJECTS: &str = "all projects";
/// After this many days an outcome counts half.
pub(crate) const HALF_LIFE_DAYS: f64 = 90.0;
/// How many outcomes those of other projects count for in a project's own context.
const BORROWED: f64 = 4.0;
const MICROS_PER_DAY: f64 = 86_400e6;

/// What became of an evolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was approved, held and was kept.
    Accepted,
    /// Somebody said no.
    Rejected,
    /// Somebody took it back.
    Reverted,
    /// Verification refused it.
    Broken,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Accepted, Self::Rejected, Self::Reverted, Self::Broken];

    /// Its number in the database.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Accepted => 1,
            Self::Rejected => 2,
            Self::Reverted => 3,
            Self::Broken => 4,
        }
    }

    /// The outcome of this number.
    pub(crate) fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.number() == number)
    }
}

/// An outcome as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutcomeRecord {
    /// The transform.
    pub(crate) transform: String,
    /// The project's root.
    pub(crate) root: String,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// When, in microseconds since the Unix epoch.
    pub(crate) at_micros: i64,
}

/// What a change of state says of the transform; `None` if it says nothing.
pub(crate) const fn outcome_of(from: EvolutionState, to: EvolutionState) -> Option<Outcome> {
    use EvolutionState::{Applying, Committed, Discarded, Proposed, Rejected, Reverted};
    match (from, to) {
        (Applying, Committed) => Some(Outcome::Accepted),
        (Proposed, Rejected) => Some(Outcome::Rejected),
        (Committed, Reverted) => Some(Outcome::Reverted),
        (Applying, Discarded) => Some(Outcome::Broken),
        _ => None,
    }
}

/// A state in one word.
pub(crate) const fn state_word(state: EvolutionState) -> &'static str {
    match state {
        EvolutionState::Unspecified => "in no state",
        EvolutionState::Proposed => "proposed",
        EvolutionState::Applying => "being applied",
        EvolutionState::Committed => "committed",
        EvolutionState::Rejected => "rejected",
        EvolutionState::Discarded => "discarded",
        EvolutionState::Reverted => "reverted",
        EvolutionState::Outdated => "outdated",
    }
}

/// Counts of outcomes, and their weights at one point in time.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    accepted: u64,
    rejected: u64,
    reverted: u64,
    broken: u64,
    /// Decayed weight of what was kept.
    kept: f64,
    /// Decayed weight of what was not.
    not_kept: f64,
}

impl Counts {
    fn add(&mut self, record: &OutcomeRecord, now_micros: i64) {
        let weight = weight(record.at_micros, now_micros);
        match record.outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::Reverted => self.reverted += 1,
            Outcome::Broken => self.broken += 1,
        }
        if record.outcome == Outcome::Accepted {
            self.kept += weight;
        } else {
            self.not_kept += weight;
        }
    }

    const fn total(&self) -> u64 {
        self.accepted + self.rejected + self.reverted + self.broken
    }
}

/// An outcome's weight: halved by every half-life; one from the future counts as one of now.
fn weight(at_micros: i64, now_micros: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "days need no more digits")]
    let days = now_micros.saturating_sub(at_micros).max(0) as f64 / MICROS_PER_DAY;
    (-days / HALF_LIFE_DAYS).exp2()
}

/// How sure a proposal of `transform` is in the project with this root; with an empty root, in all projects.
pub(crate) fn confidence(
    records: &[OutcomeRecord],
    transform: &str,
    root: &str,
    now_micros: i64,
) -> Confidence {
    let (mut own, mut others) = (Counts::default(), Counts::default());
    for record in records.iter().filter(|it| it.transform == transform) {
        if root.is_empty() || record.root == root {
            own.add(record, now_micros);
        } else {
            others.add(record, now_micros);
        }
    }
    let known_elsewhere = others.kept + others.not_kept;
    let share = if known_elsewhere > 0.0 {
        known_elsewhere.min(BORROWED) / known_elsewhere
    } else {
        0.0
    };
    let alpha = 1.0 + own.kept + others.kept * share;
    let beta = 1.0 + own.not_kept + others.not_kept * share;
    let (low, high) = beta::interval_90(alpha, beta);
    Confidence {
        mean: alpha / (alpha + beta),
        low,
        high,
        accepted: own.accepted,
        rejected: own.rejected,
        reverted: own.reverted,
        broken: own.broken,
        known_elsewhere: others.total(),
        explanation: explanation(&own, &others, root),
    }
}

fn explanation(own: &Counts, others: &Counts, root: &str) -> String {
    let place = if root.is_empty() {
        "in all projects"
    } else {
        "in this project"
    };
    let decay = "older ones count less, half after 90 days";
    match (own.total(), others.total()) {
        (0, 0) => {
            "nothing is known yet: every share of kept changes is as likely as any other".to_owned()
        }
        (0, elsewhere) => format!(
            "nothing is known {place}; in others {} of {elsewhere} were kept, which count for at most {BORROWED} outcomes; {decay}",
            others.accepted
        ),
        (total, 0) => format!("{place} {} of {total} were kept; {decay}", own.accepted),
        (total, elsewhere) => format!(
            "{place} {} of {total} were kept; in others {} of {elsewhere}, which count for at most {BORROWED} outcomes; {decay}",
            own.accepted, others.accepted
        ),
    }
}

/// The patterns of the project with this root, and those of all projects; with an empty root those of every project. The
/// surest come first.
pub(crate) fn patterns(records: &[OutcomeRecord], root: &str, now_micros: i64) -> Vec<Pattern> {
    let mut newest: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for record in records {
        let mut note = |context| {
            let at = newest.entry((record.transform.as_str(), context));
            let at = at.or_insert(record.at_micros);
            *at = record.at_micros.max(*at);
        };
        note("");
        if root.is_empty() || record.root == root {
            note(&record.root);
        }
    }
    let mut patterns: Vec<Pattern> = newest
        .into_iter()
        .map(|((transform, context), at_micros)| Pattern {
            transform: transform.to_owned(),
            context: if context.is_empty() {
                ALL_PROJECTS.to_owned()
            } else {
                context.to_owned()
            },
            confidence: Some(confidence(records, transform, context, now_micros)),
            last_at: Some(timestamp(at_micros)),
        })
        .collect();
    patterns.sort_by(|a, b| {
        let low = |pattern: &Pattern| pattern.confidence.as_ref().map_or(0.0, |it| it.low);
        low(b)
            .total_cmp(&low(a))
            .then_with(|| (&a.transform, &a.context).cmp(&(&b.transform, &b.context)))
    });
    patterns
}

fn timestamp(micros: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    }
}
