#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use shim_proto::evolution::v1::{Confidence, Evolution, EvolutionState, FileChange, Risk};

use super::*;

const DAY: i64 = 86_400_000_000;
const NOW: i64 = 20_000 * DAY;

fn record(transform: &str, root: &str, outcome: Outcome, days_ago: i64) -> OutcomeRecord {
    OutcomeRecord {
        transform: transform.to_owned(),
        root: root.to_owned(),
        outcome,
        at_micros: NOW - days_ago * DAY,
    }
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
}

/// Values of R's qbeta(c(0.05, 0.95), a, b).
#[test]
fn the_interval_is_that_of_the_beta_distribution() {
    for (alpha, beta, low, high) in [
        (1.0, 1.0, 0.05, 0.95),
        (2.0, 1.0, 0.223_606_8, 0.974_679_4),
        (1.0, 2.0, 0.025_320_6, 0.776_393_2),
        (5.0, 2.0, 0.418_196_6, 0.937_149_9),
        (0.5, 0.5, 0.006_155_8, 0.993_844_2),
    ] {
        let (found_low, found_high) = beta::interval_90(alpha, beta);
        near(found_low, low);
        near(found_high, high);
    }
}

#[test]
fn without_outcomes_nothing_is_claimed() {
    let none = confidence(&[], "no-var", "/p", NOW);
    near(none.mean, 0.5);
    near(none.low, 0.05);
    near(none.high, 0.95);
    assert!(none.explanation.contains("nothing is known"));
}

#[test]
fn an_outcome_counts_half_after_90_days() {
    let old = [record("no-var", "/p", Outcome::Accepted, 90)];
    near(confidence(&old, "no-var", "/p", NOW).mean, 1.5 / 2.5);
    let new = [record("no-var", "/p", Outcome::Accepted, 0)];
    near(confidence(&new, "no-var", "/p", NOW).mean, 2.0 / 3.0);
    let future = [record("no-var", "/p", Outcome::Accepted, -400)];
    near(confidence(&future, "no-var", "/p", NOW).mean, 2.0 / 3.0);
}

#[test]
fn other_projects_count_for_four_outcomes_at_most() {
    let mut records: Vec<_> = (0..100)
        .map(|_| record("no-var", "/other", Outcome::Accepted, 0))
        .collect();
    near(confidence(&records, "no-var", "/p", NOW).mean, 5.0 / 6.0);
    let many = confidence(&records, "no-var", "", NOW);
    near(many.mean, 101.0 / 102.0);
    assert_eq!(many.accepted, 100);
    records.extend((0..4).map(|_| record("no-var", "/p", Outcome::Reverted, 0)));
    let here = confidence(&records, "no-var", "/p", NOW);
    near(here.mean, 0.5);
    assert_eq!((here.accepted, here.reverted), (0, 4));
    assert!(here.explanation.contains("in others 100 of 100"));
}

#[test]
fn each_end_of_an_evolution_is_one_outcome() {
    use EvolutionState::{Applying, Committed, Discarded, Outdated, Proposed, Rejected, Reverted};
    assert_eq!(outcome_of(Applying, Committed), Some(Outcome::Accepted));
    assert_eq!(outcome_of(Proposed, Rejected), Some(Outcome::Rejected));
    assert_eq!(outcome_of(Committed, Reverted), Some(Outcome::Reverted));
    assert_eq!(outcome_of(Applying, Discarded), Some(Outcome::Broken));
    // Files that changed, or a call that was cancelled, say nothing of the transform.
    assert_eq!(outcome_of(Proposed, Outdated), None);
    assert_eq!(outcome_of(Applying, Proposed), None);
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::from_number(outcome.number()), Some(outcome));
    }
}

#[test]
fn the_surest_pattern_stands_first_and_all_projects_have_one() {
    let records = [
        record("no-var", "/p", Outcome::Accepted, 1),
        record("no-var", "/p", Outcome::Accepted, 2),
        record("arrow", "/p", Outcome::Rejected, 1),
        record("arrow", "/q", Outcome::Accepted, 1),
    ];
    let found = patterns(&records, "/p", NOW);
    let names: Vec<_> = found
        .iter()
        .map(|it| (it.transform.as_str(), it.context.as_str()))
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[0].0, "no-var");
    assert!(names.contains(&("arrow", ALL_PROJECTS)) && !names.contains(&("arrow", "/q")));
    assert_eq!(patterns(&records, "", NOW).len(), 5);
}

#[test]
fn what_is_kept_more_often_is_worth_more() {
    let evolution = |low: f64, risk: Risk| Evolution {
        risk: risk.into(),
        files: vec![FileChange {
            changes: 3,
            added_lines: 3,
            deleted_lines: 3,
            ..FileChange::default()
        }],
        confidence: Some(Confidence {
            mean: low + 0.1,
            low,
            ..Confidence::default()
        }),
        ..Evolution::default()
    };
    assert!(worth(&evolution(0.8, Risk::Low)) > worth(&evolution(0.2, Risk::Low)));
    assert!(worth(&evolution(0.8, Risk::Low)) > worth(&evolution(0.8, Risk::High)));
    assert!(worth(&Evolution::default()).abs() < f64::EPSILON);
}

proptest! {
    #[test]
    fn every_confidence_is_in_order_and_none_is_a_nan(
        outcomes in proptest::collection::vec((1i64..=4, -500i64..5_000, any::<bool>()), 0..60)
    ) {
        let records: Vec<_> = outcomes
            .iter()
            .map(|(number, days, here)| {
                let root = if *here { "/p" } else { "/q" };
                record("t", root, Outcome::from_number(*number).unwrap(), *days)
            })
            .collect();
        for root in ["", "/p"] {
            let found = confidence(&records, "t", root, NOW);
            prop_assert!(0.0 <= found.low && found.low < found.mean && found.mean < found.high && found.high <= 1.0, "{found:?}");
        }
    }

    #[test]
    fn one_more_that_was_kept_never_makes_it_less_sure(
        outcomes in proptest::collection::vec((1i64..=4, 0i64..2_000), 0..40)
    ) {
        let mut records: Vec<_> = outcomes
            .iter()
            .map(|(number, days)| record("t", "/p", Outcome::from_number(*number).unwrap(), *days))
            .collect();
        let before = confidence(&records, "t", "/p", NOW).mean;
        records.push(record("t", "/p", Outcome::Accepted, 0));
        prop_assert!(confidence(&records, "t", "/p", NOW).mean > before);
    }
}
