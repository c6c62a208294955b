//! What is worth doing, ranked by impact x confidence / effort, each with its evidence.

mod code;
mod findings;
mod project;

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{
    DebtMarker, Duplicate, Evidence, Figures, Finding, Hotspot, ImportCycle, Location, Opportunity,
};

use super::coverage::CoverageFacts;
use super::facts::OldForms;

/// Places named as evidence of one opportunity.
const MAX_EVIDENCE: usize = 5;
/// The least effort: a smaller one would let it outweigh everything else.
const MIN_EFFORT: f64 = 0.05;

/// All that is known of a project's code.
#[derive(Default)]
pub(crate) struct Picture<'a> {
    /// Figures of functions.
    pub(crate) functions: &'a [Figures],
    /// Older forms in files, by path.
    pub(crate) old_forms: Vec<(&'a str, &'a [OldForms])>,
    /// Markers of debt.
    pub(crate) markers: &'a [DebtMarker],
    /// Where changing is dear.
    pub(crate) hotspots: &'a [Hotspot],
    /// Findings of all tools.
    pub(crate) findings: &'a [Finding],
    /// Circles of imports.
    pub(crate) cycles: &'a [ImportCycle],
    /// Duplicated code.
    pub(crate) duplicates: &'a [Duplicate],
    /// Coverage by path, if a report was found.
    pub(crate) coverage: Option<&'a CoverageFacts>,
}

impl Picture<'_> {
    /// How hot each file is, 0..1.
    fn heat(&self) -> BTreeMap<&str, f64> {
        let scores = self
            .hotspots
            .iter()
            .map(|hotspot| (hotspot.path.as_str(), hotspot.score));
        scores.collect()
    }
}

/// Everything worth doing, best first. The order is total: equal scores are told by kind, place and id.
pub(crate) fn opportunities(picture: &Picture<'_>) -> Vec<Opportunity> {
    let mut opportunities = Vec::new();
    code::add(picture, &mut opportunities);
    findings::add(picture, &mut opportunities);
    project::add(picture, &mut opportunities);
    rank(&mut opportunities);
    opportunities
}

/// Sorts opportunities, best first, and gives ids that occur twice a number.
pub(crate) fn rank(opportunities: &mut [Opportunity]) {
    opportunities.sort_by(|one, other| {
        let best = other.score.total_cmp(&one.score);
        best.then_with(|| place(one).cmp(&place(other)))
            .then_with(|| other.impact.total_cmp(&one.impact))
            .then_with(|| other.confidence.total_cmp(&one.confidence))
            .then_with(|| one.effort.total_cmp(&other.effort))
    });
    let mut taken = BTreeSet::new();
    for opportunity in opportunities {
        let id = opportunity.opportunity_id.clone();
        let mut number = 1;
        while !taken.insert(opportunity.opportunity_id.clone()) {
            number += 1;
            opportunity.opportunity_id = format!("{id}-{number}");
        }
    }
}

fn place(opportunity: &Opportunity) -> (&str, &str, u32, &str, &str) {
    let place = opportunity.location.as_ref();
    let (path, line) = place.map_or(("", 0), |place| (&*place.path, place.line));
    (
        &opportunity.kind,
        path,
        line,
        &opportunity.title,
        &opportunity.opportunity_id,
    )
}

/// An opportunity before it is ranked.
struct Draft<'a> {
    kind: &'static str,
    /// What makes it the same one in the next analysis: no line, no figure.
    identity: &'a [&'a str],
    title: String,
    location: Location,
    impact: f64,
    confidence: f64,
    effort: f64,
    evidence: Vec<Evidence>,
    transform: &'static str,
}

impl Draft<'_> {
    fn finish(self) -> Opportunity {
        let impact = unit(self.impact);
        let confidence = unit(self.confidence);
        let effort = unit(self.effort).max(MIN_EFFORT);
        Opportunity {
            opportunity_id: id(self.kind, self.identity),
            kind: self.kind.to_owned(),
            title: self.title,
            location: Some(self.location),
            impact,
            confidence,
            effort,
            score: impact * confidence / effort,
            evidence: self.evidence,
            transform: self.transform.to_owned(),
        }
    }
}

fn id(kind: &str, identity: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_bytes());
    for part in identity {
        hasher.update(&[0]);
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// 0..1; what is no number is 0.
fn unit(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

/// Grows towards 1 and is one half at `half`.
fn saturating(value: f64, half: f64) -> f64 {
    value / (value + half)
}

#[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
fn float(count: usize) -> f64 {
    count as f64
}

fn evidence(tool: &str, text: String, location: Option<Location>) -> Evidence {
    Evidence {
        tool: tool.to_owned(),
        text,
        location,
    }
}

fn plural(count: usize, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_opportunity() -> impl Strategy<Value = Opportunity> {
        (
            0_usize..4,
            0_u32..3,
            -1.0_f64..2.0,
            0.0_f64..2.0,
            any::<f64>(),
        )
            .prop_map(|(kind, line, impact, confidence, effort)| {
                let kind = ["bug", "types", "debt", "cycle"][kind];
                let draft = Draft {
                    kind,
                    identity: &["a.js"],
                    title: "t".to_owned(),
                    location: Location {
                        line,
                        ..Location::default()
                    },
                    impact,
                    confidence,
                    effort,
                    evidence: Vec::new(),
                    transform: "",
                };
                draft.finish()
            })
    }

    proptest! {
        #[test]
        fn the_order_is_total_and_stable(mut some in proptest::collection::vec(any_opportunity(), 0..30)) {
            for opportunity in &some {
                prop_assert!(opportunity.score.is_finite() && opportunity.score >= 0.0 && opportunity.effort > 0.0);
            }
            let mut reversed: Vec<Opportunity> = some.iter().rev().cloned().collect();
            rank(&mut some);
            rank(&mut reversed);
            prop_assert_eq!(&some, &reversed);
            prop_assert!(some.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let ids: BTreeSet<&str> = some.iter().map(|opportunity| opportunity.opportunity_id.as_str()).collect();
            prop_assert_eq!(ids.len(), some.len());
        }
    }

    #[test]
    fn an_id_does_not_hang_on_the_line() {
        let figures = |start_line| Figures {
            path: "a.js".to_owned(),
            function: "f".to_owned(),
            start_line,
            end_line: start_line + 80,
            cyclomatic: 40.0,
            cognitive: 60.0,
            lines: 80.0,
            ..Figures::default()
        };
        let ids = [3, 90].map(|line| {
            let picture = Picture {
                functions: &[figures(line)],
                ..Picture::default()
            };
            opportunities(&picture)[0].opportunity_id.clone()
        });
        assert_eq!(ids[0], ids[1]);
    }
}
