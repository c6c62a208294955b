#![allow(clippy::unwrap_used)]
use super::*;
use crate::domain::testing::observation::SeenError;

fn seen(kind: &str, value: &str) -> Seen {
    Seen {
        value: Some(value.to_owned()),
        value_type: kind.to_owned(),
        ..Seen::default()
    }
}

fn kinds(subject: &Subject<'_>) -> Vec<String> {
    let all = candidates(subject, &mut 0);
    let names = all.iter().map(|it| {
        serde_json::to_value(it).unwrap()["kind"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    names.collect()
}

fn random<'a>(inputs: &'a [Vec<String>], seen: &'a [Seen]) -> Vec<Call<'a>> {
    let pairs = inputs.iter().zip(seen);
    pairs
        .map(|(args, seen)| Call {
            args,
            seen,
            is_random: true,
        })
        .collect()
}

#[test]
fn properties_follow_from_types_and_names() {
    let inputs: Vec<Vec<String>> = (0..6).map(|at| vec![format!("'{at}'")]).collect();
    let values: Vec<Seen> = (0..6)
        .map(|at| seen("string", &format!("'<{at}>'")))
        .collect();
    let subject = Subject {
        id: 1,
        name: "encodeText",
        makes_instances: false,
        is_factory: false,
        parameters: vec!["text"],
        calls: random(&inputs, &values),
        siblings: vec![("encodeText", 1), ("decodeText", 2)],
    };
    let kinds = kinds(&subject);
    for kind in [
        "value",
        "type",
        "idempotent",
        "round_trip",
        "same_length",
        "not_longer",
    ] {
        assert!(kinds.iter().any(|it| it == kind), "{kind}: {kinds:?}");
    }
    assert!(!kinds.contains(&"commutes".to_owned()));
}

#[test]
fn bounds_are_known_by_their_names() {
    let inputs: Vec<Vec<String>> = (0..6)
        .map(|at| vec![at.to_string(), "0".to_owned(), "9".to_owned()])
        .collect();
    let values: Vec<Seen> = (0..6).map(|at| seen("number", &at.to_string())).collect();
    let subject = Subject {
        id: 1,
        name: "clamp",
        makes_instances: false,
        is_factory: false,
        parameters: vec!["value", "min", "max"],
        calls: random(&inputs, &values),
        siblings: Vec::new(),
    };
    let all = candidates(&subject, &mut 0);
    assert!(all.iter().any(|it| matches!(
        it.claim,
        Claim::Within {
            low: 1,
            high: 2,
            ..
        }
    )));
}

#[test]
fn few_or_constant_results_are_no_property() {
    let inputs: Vec<Vec<String>> = (0..6).map(|at| vec![at.to_string()]).collect();
    let same: Vec<Seen> = (0..6).map(|_| seen("number", "1")).collect();
    let subject = |calls| Subject {
        id: 1,
        name: "one",
        makes_instances: false,
        is_factory: false,
        parameters: vec!["value"],
        calls,
        siblings: Vec::new(),
    };
    assert_eq!(
        kinds(&subject(random(&inputs, &same)))
            .iter()
            .filter(|kind| *kind != "value")
            .count(),
        1
    );
    assert_eq!(kinds(&subject(random(&inputs[..3], &same))).len(), 3);
    let error = Seen {
        error: Some(SeenError {
            class: "TypeError".to_owned(),
            ..SeenError::default()
        }),
        ..Seen::default()
    };
    assert_eq!(kinds(&subject(random(&inputs[..1], &[error]))), ["throws"]);
}
