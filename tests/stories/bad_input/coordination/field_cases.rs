//! The wrong fields of each request of the coordination service, and what its refusal must name.

use serde_json::{Value, json};

use crate::bad_input::cases::{Cases, MEBIBYTE, long};

/// RPCs that take a request id.
pub(super) const MUTATIONS: [&str; 18] = [
    "PutState",
    "PatchState",
    "DeleteState",
    "AcquireLock",
    "ReleaseLock",
    "AcquireFiles",
    "ReleaseFiles",
    "Publish",
    "SendMessage",
    "RegisterWorker",
    "DeregisterWorker",
    "SubmitTask",
    "CancelTask",
    "RetryTask",
    "ApproveTask",
    "PauseQueues",
    "PruneTasks",
    "ResumeQueues",
];
const OF_A_NAMESPACE: [&str; 11] = [
    "GetState",
    "PutState",
    "PatchState",
    "DeleteState",
    "ListState",
    "AcquireLock",
    "RenewLock",
    "ReleaseLock",
    "GetLock",
    "ListLocks",
    "WatchState",
];
const OF_A_WORKSPACE: [&str; 4] = ["AcquireFiles", "RenewFiles", "ReleaseFiles", "ListFiles"];
const OF_AN_ENTRY: [&str; 4] = ["GetState", "PutState", "PatchState", "DeleteState"];
const OF_A_LOCK: [&str; 4] = ["AcquireLock", "RenewLock", "ReleaseLock", "GetLock"];
const HOLDING: [&str; 2] = ["RenewLock", "ReleaseLock"];
const FENCED: [&str; 4] = ["PutState", "PatchState", "DeleteState", "AcquireFiles"];
const PAGED: [&str; 3] = ["ListState", "ListLocks", "ListWorkers"];
const OF_A_WORKER: [&str; 3] = ["Heartbeat", "DeregisterWorker", "GetWorker"];

/// The first number no version reaches.
pub(super) const BEYOND_VERSIONS: u64 = (1 << 53) + 1;

/// Adds every wrong field.
pub(super) fn add(cases: &mut Cases) {
    identity_cases(cases);
    state_cases(cases);
    lock_cases(cases);
    file_cases(cases);
    bus_cases(cases);
    worker_cases(cases);
}

/// Names of plain characters, at most 128 bytes.
fn names(cases: &mut Cases, methods: &[&'static str], pointer: &'static str) {
    let bad = [
        "with space",
        "a{b}",
        "na\u{ef}ve",
        "a\0b",
        "line\nbreak",
        "*",
    ];
    cases.add(methods, pointer, bad.map(|name| (json!(name), "letters")));
    cases.add(
        methods,
        pointer,
        [(long(129), "128"), (long(10 * MEBIBYTE), "128")],
    );
}

/// Texts of any visible characters that must be there.
fn required(
    cases: &mut Cases,
    methods: &[&'static str],
    pointer: &'static str,
    limit: usize,
    says: &'static str,
) {
    cases.text(methods, pointer, limit, says);
    let missing = [json!(""), Value::Null, json!(" ")];
    cases.add(methods, pointer, missing.map(|value| (value, "required")));
}

fn spans(
    cases: &mut Cases,
    methods: &[&'static str],
    pointer: &'static str,
    too_long: &str,
    says: &'static str,
) {
    let bad = ["-1s", "315576000000s", too_long];
    cases.add(methods, pointer, bad.map(|span| (json!(span), says)));
}

fn identity_cases(cases: &mut Cases) {
    let bad = [
        json!(""),
        Value::Null,
        json!("with space"),
        json!("na\u{ef}ve"),
        long(129),
    ];
    cases.add(&MUTATIONS, "/request_id", bad.map(|id| (id, "128")));
    names(cases, &OF_A_NAMESPACE, "/namespace");
    names(cases, &OF_A_WORKSPACE, "/workspace");
    cases.required_id(&OF_A_WORKER, "/worker_id");
    cases.id(&["RegisterWorker"], "/worker_id");
    cases.add(
        &["Heartbeat", "DeregisterWorker"],
        "/epoch",
        [(json!(0), ""), (json!(u64::MAX), "")],
    );
    cases.add(
        &PAGED,
        "/page_size",
        [-1, 1001, i32::MAX].map(|size| (json!(size), "1000")),
    );
    let tokens = ["garbage", "\0", "zz"].map(|token| (json!(token), "next_page_token"));
    cases.add(&PAGED, "/page_token", tokens);
    cases.add(
        &PAGED,
        "/page_token",
        [(long(10 * MEBIBYTE), "next_page_token")],
    );
}

fn state_cases(cases: &mut Cases) {
    required(cases, &OF_AN_ENTRY, "/key", 512, "512");
    cases.add(&OF_AN_ENTRY, "/key", [(json!("a\nb"), "control")]);
    cases.text(&["ListState", "WatchState"], "/key_prefix", 512, "512");
    cases.text(&["PutState", "PatchState"], "/writer", 200, "200");
    cases.add(&["PutState"], "/value", [(Value::Null, "required")]);
    let many: serde_json::Map<_, _> = (0..1001).map(|n| (n.to_string(), json!(n))).collect();
    for (method, pointer) in [("PutState", "/value"), ("PatchState", "/set")] {
        let bad = [
            (json!({"a": "x".repeat(MEBIBYTE)}), "1048576"),
            (json!({"a": "x".repeat(10 * MEBIBYTE)}), "1048576"),
            (json!({"a": 1_234_567_890_123_456_789_u64}), ".a"),
            (json!({"a": [{"b": -9_007_199_254_740_993_i64}]}), ".a[0].b"),
        ];
        cases.add(&[method], pointer, bad);
    }
    cases.add(&["PutState"], "/value", [(Value::Object(many), "1000")]);
    cases.add(
        &["PatchState"],
        "/remove",
        [(json!(vec!["x"; 1001]), "1000")],
    );
    cases.add(
        &["PutState", "PatchState", "DeleteState"],
        "/expected_version",
        [(json!(BEYOND_VERSIONS), ""), (json!(u64::MAX), "")],
    );
    spans(
        cases,
        &["PutState", "PatchState"],
        "/ttl",
        "2592001s",
        "2592000",
    );
    cases.add(
        &["PutState", "PatchState"],
        "/ttl",
        [(json!("0.999s"), "1s")],
    );
    let fences = [
        json!({"token": 1}),
        json!({"lock": "", "token": 1}),
        json!({"lock": "x".repeat(513), "token": 1}),
    ];
    cases.add(&FENCED, "/fence", fences.map(|fence| (fence, "")));
    cases.add(&FENCED, "/fence", [(json!({"lock": "held"}), "token")]);
}

fn lock_cases(cases: &mut Cases) {
    required(cases, &OF_A_LOCK, "/name", 512, "512");
    required(
        cases,
        &["AcquireLock", "RenewLock", "ReleaseLock"],
        "/owner",
        200,
        "200",
    );
    cases.text(&["AcquireLock", "AcquireFiles"], "/purpose", 500, "500");
    cases.add(
        &HOLDING,
        "/fencing_token",
        [(json!(0), "missing"), (json!(u64::MAX), "")],
    );
    spans(
        cases,
        &["AcquireLock", "RenewLock"],
        "/ttl",
        "3601s",
        "3600",
    );
    cases.add(
        &["AcquireLock", "RenewLock"],
        "/ttl",
        [(json!("0.099s"), "100ms")],
    );
    spans(
        cases,
        &["AcquireLock", "AcquireFiles", "ReceiveMessages"],
        "/wait",
        "25.1s",
        "25s",
    );
}

fn file_cases(cases: &mut Cases) {
    required(
        cases,
        &["AcquireFiles", "RenewFiles", "ReleaseFiles"],
        "/holder",
        200,
        "200",
    );
    cases.text(&["ListFiles"], "/holder", 200, "200");
    cases.text(&["ListFiles"], "/except_holder", 200, "200");
    for (method, pointer, limit, says) in [
        ("AcquireFiles", "/patterns", 512, "512"),
        ("ListFiles", "/paths", 4096, "4096"),
    ] {
        let tricks = ["../secret", "src/../../etc", "a/..", ".."];
        cases.add(&[method], pointer, tricks.map(|path| (json!([path]), "..")));
        let bad = [
            (json!([""]), ""),
            (json!(["a\0b"]), ""),
            (json!(["/etc/passwd"]), ""),
            (json!(["["]), ""),
            (json!(["{a"]), ""),
        ];
        cases.add(&[method], pointer, bad);
        let long = |bytes: usize| json!(["x".repeat(bytes)]);
        let bad = [(long(limit + 1), says), (long(10 * MEBIBYTE), says)];
        cases.add(&[method], pointer, bad);
    }
    cases.add(
        &["AcquireFiles"],
        "/patterns",
        [(json!([]), ""), (json!(vec!["a"; 101]), "100")],
    );
    cases.add(&["ListFiles"], "/paths", [(json!(vec!["a"; 1001]), "1000")]);
    cases.add(
        &["AcquireFiles"],
        "/mode",
        [(json!(99), ""), (json!(-1), "")],
    );
    spans(
        cases,
        &["AcquireFiles", "RenewFiles"],
        "/ttl",
        "86401s",
        "86400",
    );
    cases.add(
        &["AcquireFiles", "RenewFiles"],
        "/ttl",
        [(json!("0.999s"), "1s")],
    );
    cases.add(
        &["RenewFiles"],
        "/lease_id",
        [(json!(""), ""), (long(10 * MEBIBYTE), "")],
    );
    cases.add(
        &["ReleaseFiles"],
        "/lease_ids",
        [(json!(vec!["x"; 1001]), "1000")],
    );
}

fn bus_cases(cases: &mut Cases) {
    names(cases, &["Publish"], "/channel");
    cases.add(&["Publish"], "/channel", [(json!(""), "128")]);
    let own = [
        "state:updated",
        "lock:x",
        "files:x",
        "worker:x",
        "message:x",
        "task:x",
    ];
    cases.add(
        &["Publish"],
        "/channel",
        own.map(|channel| (json!(channel), "")),
    );
    cases.add(
        &["Publish"],
        "/payload",
        [
            (json!({"a": "x".repeat(256 * 1024)}), "262144"),
            (json!({"a": 9_007_199_254_740_993_u64}), ".a"),
        ],
    );
    cases.text(&["Publish"], "/publisher", 200, "200");
    cases.text(&["SendMessage"], "/sender", 200, "200");
    cases.add(
        &["SendMessage"],
        "/session_id",
        [(json!("nonsense"), "UUID"), (json!(""), "")],
    );
    required(cases, &["SendMessage"], "/text", 16_384, "16384");
    cases.add(
        &["SendMessage"],
        "/data",
        [
            (json!({"a": "x".repeat(64 * 1024)}), "65536"),
            (json!({"a": 9_007_199_254_740_993_u64}), ".a"),
        ],
    );
    cases.required_id(&["ReceiveMessages", "AckMessages"], "/inbox");
    cases.add(
        &["ReceiveMessages"],
        "/max_messages",
        [(json!(-1), "100"), (json!(101), "100")],
    );
    spans(cases, &["ReceiveMessages"], "/visibility", "3601s", "3600");
    cases.add(&["ReceiveMessages"], "/visibility", [(json!("0.5s"), "1s")]);
    for (method, pointer) in [
        ("ReceiveMessages", "/ack_ids"),
        ("AckMessages", "/message_ids"),
    ] {
        let bad = [
            (json!(vec!["1-1"; 1001]), "1000"),
            (json!(["nonsense"]), ""),
            (json!([""]), ""),
        ];
        cases.add(&[method], pointer, bad);
    }
    cases.add(&["AckMessages"], "/message_ids", [(json!([]), "")]);
}

fn worker_cases(cases: &mut Cases) {
    let register = &["RegisterWorker"];
    cases.text(register, "/name", 200, "200");
    cases.text(register, "/node", 255, "255");
    cases.text(register, "/version", 100, "100");
    cases.id(register, "/session_id");
    cases.add(
        register,
        "/kind",
        [(json!(0), ""), (json!(99), ""), (Value::Null, "")],
    );
    let bad = [
        (json!(["with space"]), ""),
        (json!([""]), ""),
        (json!(["x".repeat(101)]), "100"),
        (json!(vec!["a"; 101]), "100"),
    ];
    cases.add(register, "/capabilities", bad);
    cases.add(
        register,
        "/capacity",
        [(json!(1001), "1000"), (json!(u32::MAX), "1000")],
    );
    cases.add(&["Heartbeat"], "/running", [(json!(1001), "1000")]);
    cases.add(
        &["Heartbeat"],
        "/state",
        [(json!(99), ""), (json!("WORKER_STATE_DEAD"), "")],
    );
    cases.add(&["Heartbeat"], "/health", [(json!(99), "")]);
    cases.text(&["Heartbeat"], "/detail", 500, "500");
    cases.add(
        &["Heartbeat"],
        "/unfit_until",
        [(json!("2030-01-01T00:00:00Z"), "UNHEALTHY")],
    );
    cases.text(&["DeregisterWorker"], "/reason", 500, "500");
    cases.add(
        &["ListWorkers"],
        "/capability",
        [(json!("with space"), ""), (long(101), "100")],
    );
    cases.add(&["ListWorkers"], "/state", [(json!(99), "")]);
}
