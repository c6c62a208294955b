#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::free_form;

fn judged(kind: &str, payload: &serde_json::Value) -> Judgement {
    judge(
        kind,
        &free_form::from_json(payload.as_object().unwrap()).unwrap(),
    )
}

#[test]
fn every_field_of_every_kind_is_taken() {
    for (kind, payload) in [
        ("analyze", json!({})),
        (
            "analyze",
            json!({"path": "/p", "include": ["src", "./a.js"], "first_picture_only": false, "with_work_history": true, "limit": 1_000}),
        ),
        ("analyze", json!({"parts": 64, "part": 64})),
        (
            "evolve",
            json!({"path": "/p", "include": [], "transforms": ["var-to-let-const"], "limit": 100, "agents": 0, "nightly": true}),
        ),
        (
            "evolve",
            json!({"evolution_id": "0123456789ab", "path": "/p"}),
        ),
        ("evolve", json!({"offer": "long-function", "path": "/p"})),
        (
            "generate_tests",
            json!({"path": "/p", "max_functions": 200, "seed": 9_007_199_254_740_991_u64}),
        ),
        ("write", json!({"whatever": [1, {"a": null}]})),
    ] {
        assert_eq!(
            judged(kind, &payload),
            Judgement::default(),
            "{kind} {payload}"
        );
    }
}

/// A kind, a payload, the field it is wrong in, and words of the rule, a case a line.
const FAULTS: &str = r#"
analyze | {"pathh": "/p"} | pathh | there is no such field; there are path
evolve | {"transform": "x"} | transform | evolution_id, offer
analyze | {"path": "p"} | path | p is not absolute
analyze | {"path": 3} | path | must be a text
analyze | {"path": null} | path | must be a text
analyze | {"path": " "} | path | is required
analyze | {"path": "/a\u0000b"} | path | NUL
analyze | {"path": "/a\nb"} | path | line break
analyze | {"include": "src"} | include | list of texts
analyze | {"include": ["a", 1]} | include | list of texts
analyze | {"include": ["a", "../b"]} | include[1] | stay below
analyze | {"include": ["/a"]} | include[0] | stay below
analyze | {"limit": 0} | limit | from 1 to 1000
analyze | {"limit": -1} | limit | from 1 to 1000
analyze | {"limit": 1.5} | limit | from 1 to 1000
analyze | {"limit": "20"} | limit | from 1 to 1000
evolve | {"limit": 101} | limit | from 1 to 100
evolve | {"agents": 21} | agents | from 0 to 20
analyze | {"first_picture_only": "yes"} | first_picture_only | true or false
evolve | {"nightly": 1} | nightly | true or false
evolve | {"transforms": ["no var"]} | transforms[0] | letters
evolve | {"evolution_id": "short"} | evolution_id | 6 or more
evolve | {"evolution_id": 7} | evolution_id | must be a text
evolve | {"offer": ""} | offer | must be 1..64
analyze | {"parts": 65} | parts | from 1 to 64
analyze | {"part": 3, "parts": 2} | part | from 1 to 2
analyze | {"part": 2} | part | from 1 to 1
generate_tests | {"seed": -1} | seed | from 0 to
generate_tests | {"max_functions": 201} | max_functions | from 1 to 200
"#;

/// The same of fields that belong to another task.
const UNHEEDED: &str = r#"
analyze | {"transforms": []} | transforms | evolve that propose
analyze | {"evolution_id": "0123456789ab"} | evolution_id | apply a proposal
evolve | {"max_functions": 3} | max_functions | generate_tests
evolve | {"evolution_id": "0123456789ab", "limit": 3} | limit | apply a proposal
evolve | {"offer": "x", "nightly": true} | nightly | agent's answer
generate_tests | {"limit": 3} | limit | analyze
"#;

type Case = (String, serde_json::Value, String, String);

fn cases(table: &str) -> impl Iterator<Item = Case> {
    table.trim().lines().map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        let [kind, payload, field, words] = cells[..] else {
            panic!("not a case: {line}")
        };
        let payload = serde_json::from_str(payload).unwrap();
        (kind.into(), payload, field.into(), words.into())
    })
}

/// Cases whose fault is their size.
fn oversized() -> Vec<Case> {
    let path = format!("/{}", "a".repeat(4_096));
    [
        ("analyze", json!({"path": path}), "path", "4096"),
        (
            "analyze",
            json!({"include": vec!["a"; 1_001]}),
            "include",
            "1000",
        ),
        (
            "evolve",
            json!({"transforms": vec!["a"; 65]}),
            "transforms",
            "64",
        ),
    ]
    .map(|(kind, payload, field, words)| (kind.into(), payload, field.into(), words.into()))
    .into()
}

#[test]
fn what_no_task_has_and_what_no_field_can_be_is_a_fault() {
    for (kind, payload, field, words) in cases(FAULTS).chain(oversized()) {
        let found = judged(&kind, &payload);
        let [(named, rule)] = found.faults.as_slice() else {
            panic!("{kind} {payload}: {found:?}")
        };
        let is_told = *named == field && rule.contains(&words);
        assert!(is_told, "{kind} {payload}: {found:?}");
    }
}

#[test]
fn fields_of_other_tasks_are_told_apart_from_misspelt_ones() {
    for (kind, payload, field, words) in cases(UNHEEDED) {
        let found = judged(&kind, &payload);
        assert_eq!(found.faults, [], "{kind} {payload}");
        let [(named, rule)] = found.unheeded.as_slice() else {
            panic!("{kind} {payload}: {found:?}")
        };
        let is_told = *named == field && rule.contains(&words);
        assert!(is_told, "{kind} {payload}: {rule}");
    }
}
