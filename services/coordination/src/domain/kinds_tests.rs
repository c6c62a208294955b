#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};
use shim_proto::coordination::v1::{SplitPolicy, Subtask};
use shim_runtime::free_form;

use super::*;

fn subtask(kind: &str, requirements: Option<Requirements>) -> Subtask {
    Subtask {
        kind: kind.to_owned(),
        requirements,
        ..Subtask::default()
    }
}

fn agent() -> Requirements {
    Requirements {
        executor: WorkerKind::Agent.into(),
        capabilities: Vec::new(),
    }
}

#[test]
fn tasks_of_the_kinds_go_to_the_evolution_service() {
    for kind in TASK_KINDS {
        let mut job = SubmitTaskRequest {
            kind: kind.to_owned(),
            requirements: Some(Requirements::default()),
            ..SubmitTaskRequest::default()
        };
        require_executors(&mut job);
        assert_eq!(job.requirements, Some(analysis()), "{kind}");
    }
    let mut other = SubmitTaskRequest {
        kind: "analyse".to_owned(),
        ..SubmitTaskRequest::default()
    };
    require_executors(&mut other);
    assert_eq!(other.requirements, None);
}

#[test]
fn whoever_says_who_does_it_is_heeded() {
    let mut job = SubmitTaskRequest {
        kind: "analyze".to_owned(),
        requirements: Some(agent()),
        subtasks: vec![subtask("", None), subtask("evolve", None)],
        ..SubmitTaskRequest::default()
    };
    require_executors(&mut job);
    assert_eq!(job.requirements, Some(agent()));
    assert!(job.subtasks.iter().all(|it| it.requirements.is_none()));
}

#[test]
fn a_part_of_another_kind_stays_with_everybody() {
    let mut job = SubmitTaskRequest {
        kind: "analyze".to_owned(),
        subtasks: vec![
            subtask("", None),
            subtask("write", None),
            subtask("write", Some(agent())),
            subtask("evolve", None),
        ],
        ..SubmitTaskRequest::default()
    };
    require_executors(&mut job);
    let found: Vec<_> = job
        .subtasks
        .iter()
        .map(|it| it.requirements.clone())
        .collect();
    let expected = [
        None,
        Some(Requirements::default()),
        Some(agent()),
        Some(analysis()),
    ];
    assert_eq!(found, expected);
    let mut mixed = SubmitTaskRequest {
        subtasks: vec![subtask("generate_tests", None), subtask("", None)],
        ..SubmitTaskRequest::default()
    };
    require_executors(&mut mixed);
    assert_eq!(mixed.requirements, None);
    assert_eq!(mixed.subtasks[0].requirements, Some(analysis()));
    assert_eq!(mixed.subtasks[1].requirements, None);
}

fn payload(value: &Value) -> Option<Struct> {
    free_form::from_json(value.as_object().unwrap())
}

fn job(kind: &str, of_job: &Value) -> SubmitTaskRequest {
    SubmitTaskRequest {
        kind: kind.to_owned(),
        payload: payload(of_job),
        ..SubmitTaskRequest::default()
    }
}

fn fields(job: &SubmitTaskRequest) -> Vec<String> {
    let faults = payload_faults(job);
    assert!(faults.iter().all(|(_, rule)| !rule.is_empty()));
    faults.into_iter().map(|(field, _)| field).collect()
}

#[test]
fn payloads_of_the_kinds_are_judged_when_they_are_submitted() {
    for (kind, of_job, expected) in [
        (
            "analyze",
            json!({"path": "/p", "limit": 5, "parts": 4}),
            &[][..],
        ),
        (
            "analyze",
            json!({"pathh": "/p", "transforms": [], "limit": 0}),
            &["payload.limit", "payload.pathh", "payload.transforms"],
        ),
        (
            "analyze",
            json!({"parts": 4, "first_picture_only": true}),
            &["payload.parts"],
        ),
        ("analyze", json!({"parts": 4, "part": 1}), &[]),
        (
            "evolve",
            json!({"evolution_id": "0123456789ab", "limit": 1}),
            &["payload.limit"],
        ),
        ("evolve", json!({"parts": 4}), &["payload.parts"]),
        ("generate_tests", json!({"seed": 1.5}), &["payload.seed"]),
        ("write", json!({"pathh": 1}), &[]),
    ] {
        assert_eq!(fields(&job(kind, &of_job)), expected, "{kind} {of_job}");
    }
    let mut unsplit = job("analyze", &json!({"parts": 4}));
    unsplit.set_split(SplitPolicy::Never);
    assert_eq!(fields(&unsplit), ["payload.parts"]);
    let mut agents = job("analyze", &json!({"whatever": 1}));
    agents.requirements = Some(agent());
    assert_eq!(
        fields(&agents),
        [""; 0],
        "whoever does it says what it may hold"
    );
}

#[test]
fn what_tasks_take_over_may_be_for_any_of_them() {
    let part = |kind: &str, own: Option<Value>| Subtask {
        payload: own.as_ref().and_then(payload),
        ..subtask(kind, None)
    };
    let with = |of_job: Value, subtasks: Vec<Subtask>| SubmitTaskRequest {
        subtasks,
        ..job("", &of_job)
    };
    let both = || vec![part("evolve", None), part("generate_tests", None)];
    let shared = json!({"path": "/p", "limit": 3, "max_functions": 3});
    assert_eq!(fields(&with(shared, both())), [""; 0]);
    let foreign = json!({"with_work_history": true, "limitt": 3});
    let expected = ["payload.limitt", "payload.with_work_history"];
    assert_eq!(fields(&with(foreign.clone(), both())), expected);
    let and_others = vec![part("evolve", None), part("write", None)];
    assert_eq!(fields(&with(foreign, and_others)), ["payload.limitt"]);
    let own = vec![
        part("evolve", Some(json!({"seed": 1}))),
        part("analyze", Some(json!({"parts": 2}))),
    ];
    let expected = ["subtasks[0].payload.seed", "subtasks[1].payload.parts"];
    assert_eq!(fields(&with(json!({"anything": 1}), own)), expected);
}
