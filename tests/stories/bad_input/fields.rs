//! One wrong field at a time in an otherwise good request: the answer names that field and, where there is one, the
//! limit.

use serde_json::{Value, json};
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use tonic::Code;

use super::cases::{Cases, MEBIBYTE, MEMORY_LIMIT, assert_all_refused, long, set};
use super::valid::{Fixture, state};
use super::wire::Wire;

const MUTATIONS: [&str; 9] = [
    "OpenSession",
    "EndSession",
    "DeleteSession",
    "SaveCheckpoint",
    "ForkSession",
    "RestoreCheckpoint",
    "DismissRecovery",
    "RecordResume",
    "Prune",
];
const OF_A_SESSION: [&str; 10] = [
    "GetObservation",
    "EndSession",
    "GetSession",
    "DeleteSession",
    "SaveCheckpoint",
    "ListCheckpoints",
    "DismissRecovery",
    "RecordSignals",
    "AssessRisk",
    "ListSignalHistory",
];
const PAGED: [&str; 3] = ["ListSessions", "ListCheckpoints", "ListSignalHistory"];
const FROM_CLIENTS: [&str; 3] = ["OpenSession", "ForkSession", "RestoreCheckpoint"];
const SIGNALLING: [&str; 2] = ["RecordSignals", "AssessRisk"];

fn identity_cases(cases: &mut Cases) {
    let request_ids = [
        json!(""),
        Value::Null,
        json!("with space"),
        json!("na\u{ef}ve"),
        long(129),
        long(10 * MEBIBYTE),
    ];
    let mutations: Vec<_> = MUTATIONS.into_iter().chain(["RecordSignals"]).collect();
    cases.add(&mutations, "/request_id", request_ids.map(|id| (id, "128")));
    cases.required_id(&OF_A_SESSION, "/session_id");
    cases.id(
        &["Prune", "SearchCheckpoints", "RestoreCheckpoint"],
        "/session_id",
    );
    cases.id(&["RestoreCheckpoint"], "/checkpoint_id");
    cases.id(&["GetCheckpoint"], "/checkpoint_id");
    cases.required_id(&["ForkSession"], "/checkpoint_id");
    cases.required_id(&["DiffCheckpoints"], "/from_checkpoint_id");
    cases.required_id(&["DiffCheckpoints"], "/to_checkpoint_id");
    cases.required_id(&["RecordResume"], "/restore_id");
    cases.add(
        &["SaveCheckpoint", "RecordSignals"],
        "/epoch",
        [(json!(0), ""), (json!(u64::MAX), "")],
    );
    for (pointer, limit, says) in [
        ("/client/name", 200, "200"),
        ("/client/version", 200, "200"),
        ("/client/hostname", 255, "255"),
        ("/client/boot_id", 64, "64"),
        ("/client/conversation", 200, "200"),
    ] {
        cases.text(&FROM_CLIENTS, pointer, limit, says);
    }
    cases.add(
        &FROM_CLIENTS,
        "/client/gateway_process/pid",
        [(json!(u32::MAX), "")],
    );
}

fn listing_cases(cases: &mut Cases) {
    cases.add(
        &PAGED,
        "/page_size",
        [-1, i32::MIN, 1001, i32::MAX].map(|size| (json!(size), "1000")),
    );
    let tokens = ["garbage", "1.2.3.4.5.6.7", "99999999999999999999.1", "\0"]
        .map(|token| (json!(token), "next_page_token"));
    cases.add(&PAGED, "/page_token", tokens);
    cases.add(
        &PAGED,
        "/page_token",
        [(long(10 * MEBIBYTE), "next_page_token")],
    );
    cases.add(&["ListSessions"], "/status", [(json!(99), "")]);
    cases.text(
        &["ListSessions", "DetectRecovery", "SearchCheckpoints"],
        "/project",
        4096,
        "4096",
    );
    cases.add(
        &["SearchCheckpoints", "DetectRecovery"],
        "/limit",
        [-1, 101, i32::MAX].map(|limit| (json!(limit), "100")),
    );
    cases.add(
        &["SearchCheckpoints"],
        "/query",
        [(json!(""), ""), (json!("  "), "")],
    );
    cases.text(&["SearchCheckpoints"], "/query", 1000, "1000");
}

fn state_cases(cases: &mut Cases) {
    let save = &["SaveCheckpoint"];
    cases.add(save, "/state", [(Value::Null, "required")]);
    cases.add(
        save,
        "/state/current_task",
        [(json!(""), "required"), (json!(" \n"), "required")],
    );
    cases.text(save, "/state/current_task", 8192, "8192");
    cases.fraction(save, "/state/progress");
    for list in [
        "/state/decisions",
        "/state/next_steps",
        "/state/completed_steps",
        "/state/blockers",
        "/state/dropped_steps",
        "/state/retracted_decisions",
        "/state/left_open_steps",
        "/dropped_steps",
        "/retracted_decisions",
    ] {
        cases.texts(save, list);
    }
    cases.text(save, "/state/task_key", 200, "200");
    let unknown = [json!([0]), json!([99]), json!([1, -1])];
    cases.add(
        save,
        "/cleared",
        unknown.map(|fields| (fields, "StateField")),
    );
    let long_key = json!(["fine", "x".repeat(201)]);
    cases.add(
        save,
        "/closed_tasks",
        [(long_key, "200"), (json!([""]), "empty")],
    );
    for method in [
        (save, "/state/git/work_tree"),
        (&["RestoreCheckpoint"], "/current_git/work_tree"),
    ] {
        let trees = [
            (json!({"paths": vec!["x"; 21]}), "20"),
            (json!({"fingerprint": "x".repeat(65)}), "64"),
            (json!({"paths": ["x".repeat(4097)]}), "4096"),
        ];
        cases.add(method.0, method.1, trees);
    }
    cases.text(save, "/state/summary", 262_144, "262144");
    cases.text(save, "/state/git/head", 64, "64");
    cases.text(save, "/state/git/branch", 500, "500");
    cases.text(save, "/state/git/repository", 64, "64");
    cases.fraction(save, "/state/memory/pressure");
    cases.add(save, "/trigger", [(json!(99), ""), (json!(-1), "")]);
    let mut too_large = state();
    too_large["decisions"] = json!(vec!["x".repeat(8000); 500]);
    cases.add(save, "/state", [(too_large, "1048576")]);
}

fn file_cases(cases: &mut Cases) {
    for (methods, pointer) in [
        (&["SaveCheckpoint"], "/state/active_files"),
        (&["RestoreCheckpoint"], "/current_files"),
    ] {
        let of = |file: Value| json!([file]);
        let tricks = ["../secret", "/srv/../etc/passwd", "a/..", "a\\..\\b"];
        cases.add(
            methods,
            pointer,
            tricks.map(|path| (of(json!({"path": path})), "\"..\"")),
        );
        let bad = [
            (of(json!({"path": ""})), "required"),
            (of(json!({"path": "a\0b"})), "NUL"),
            (of(json!({"path": "x".repeat(4097)})), "4096"),
            (of(json!({"path": "x".repeat(10 * MEBIBYTE)})), "4096"),
            (of(json!({"path": "a", "presence": 99})), "presence"),
            (of(json!({"path": "a", "blake3": "AB".repeat(32)})), "64"),
            (of(json!({"path": "a", "blake3": "zz"})), "64"),
            (json!(vec![json!({"path": "a"}); 1001]), "1000"),
            (json!(vec![json!({"path": "a"}); 100_000]), "1000"),
        ];
        cases.add(methods, pointer, bad);
    }
}

fn other_cases(cases: &mut Cases) {
    cases.add(
        &["OpenSession"],
        "/project",
        [(json!(""), "required"), (Value::Null, "required")],
    );
    cases.text(&["OpenSession"], "/project", 4096, "4096");
    cases.text(&["OpenSession", "ForkSession"], "/title", 500, "500");
    cases.text(&["RestoreCheckpoint"], "/current_git/head", 64, "64");
    cases.fraction(&["RecordResume"], "/fidelity");
    cases.text(&["RecordResume"], "/notes", 8192, "8192");
    cases.add(&["EndSession"], "/outcome", [(json!(99), "")]);
    cases.add(&["Prune"], "/older_than", [(json!("-1s"), "")]);
    cases.add(&["Prune"], "/keep_last", [(json!(1_000_001), "1000000")]);
    for counter in [
        "/signals/estimated_tokens",
        "/signals/context_window",
        "/signals/message_count",
        "/signals/tool_calls",
    ] {
        cases.add(
            &SIGNALLING,
            counter,
            [
                (json!(1_000_000_001), "1000000000"),
                (json!(u64::MAX), "1000000000"),
            ],
        );
    }
    cases.add(&SIGNALLING, "/signals/context_window", [(json!(0), "1")]);
    cases.add(
        &SIGNALLING,
        "/signals/tool_failures",
        [(json!(3), "tool_calls")],
    );
    let latencies = [
        json!("NaN"),
        json!("Infinity"),
        json!(-1),
        json!(86_400_001),
    ];
    cases.add(
        &SIGNALLING,
        "/signals/response_latency_ms",
        latencies.map(|latency| (latency, "86400000")),
    );
    cases.fraction(&SIGNALLING, "/signals/memory/pressure");
}

#[tokio::test]
async fn every_wrong_field_is_refused_by_name() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let wire = Wire::to(&service);
    let fixture = Fixture::make(&wire).await;
    let mut cases = Cases::default();
    for add in [
        identity_cases,
        listing_cases,
        state_cases,
        file_cases,
        other_cases,
    ] {
        add(&mut cases);
    }

    assert_all_refused(&wire, &cases, |method| fixture.request(method)).await;
    assert!(service.is_healthy().await);
    assert!(
        service.resident_bytes() < MEMORY_LIMIT,
        "memory: {}",
        service.resident_bytes()
    );
    let session = wire
        .call("GetSession", &fixture.request("GetSession"))
        .await
        .unwrap();
    assert_eq!(
        session["session"]["head_number"], 2,
        "nothing refused was saved, nothing saved was lost"
    );
}

#[tokio::test]
async fn the_largest_allowed_values_are_accepted() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let wire = Wire::to(&service);
    let fixture = Fixture::make(&wire).await;
    for (pointer, value) in [
        ("/state/current_task", long(8192)),
        ("/state/decisions", json!(vec!["x"; 1000])),
        ("/state/decisions", json!(["x".repeat(8192)])),
        ("/state/summary", long(262_144)),
        (
            "/state/active_files",
            json!(vec![json!({"path": "x"}); 1000]),
        ),
        ("/state/active_files", json!([{"path": "x".repeat(4096)}])),
        ("/state/progress", json!(1.0)),
        ("/request_id", long(128)),
    ] {
        let mut request = fixture.request("SaveCheckpoint");
        set(&mut request, pointer, value);
        if let Err(refusal) = wire.call("SaveCheckpoint", &request).await {
            panic!("{pointer}: {refusal}");
        }
    }
}

#[tokio::test]
async fn a_search_takes_any_words() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let wire = Wire::to(&service);
    Fixture::make(&wire).await;
    for query in [
        "parser",
        "\"",
        "\"unbalanced",
        "NEAR(",
        "a AND",
        "*",
        "^",
        "parser OR",
        "col:parser",
        "'; DROP TABLE x",
        "(",
        "-parser",
    ] {
        let answer = wire
            .call("SearchCheckpoints", &json!({"query": query}))
            .await;
        let fine = answer
            .as_ref()
            .map_or_else(|refusal| refusal.code == Code::InvalidArgument, |_| true);
        assert!(fine, "{query}: {answer:?}");
    }
}
