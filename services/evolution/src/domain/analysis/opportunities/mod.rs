//! What is worth doing, ranked by impact x confidence / effort, each with its evidence.

mod code;
mod draft;
mod findings;
mod picture;
mod project;

use std::collections::BTreeSet;

use shim_proto::evolution::v1::Opportunity;

pub(crate) use picture::Picture;

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

#[cfg(test)]
mod tests {
    use super::draft::Draft;
    use super::*;
    use proptest::prelude::*;
    use shim_proto::evolution::v1::{Figures, Location};

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
