//! One wrong field at a time in what workers send, ids of no worker, and claims that are not valid.

use serde_json::{Value, json};
use shim_redis_harness::Redis;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use tonic::Code;

use super::WorkFixture;
use crate::bad_input::cases::{Cases, MEBIBYTE, MEMORY_LIMIT, assert_all_refused, long};
use crate::bad_input::unknown_ids::assert_not_found;
use crate::bad_input::wire::Wire;

const MUTATIONS: [&str; 7] = [
    "StartWorker",
    "DrainWorker",
    "StopWorker",
    "ClaimTask",
    "CompleteTask",
    "FailTask",
    "ReleaseTask",
];
const REPORTS: [&str; 4] = ["ReportProgress", "CompleteTask", "FailTask", "ReleaseTask"];
const WITH_USAGE: [&str; 3] = ["ReportProgress", "CompleteTask", "FailTask"];
/// The first number no token reaches.
const BEYOND_TOKENS: u64 = (1 << 53) + 1;

fn identity_cases(cases: &mut Cases) {
    let bad = [
        json!(""),
        Value::Null,
        json!("with space"),
        json!("na\u{ef}ve"),
        long(129),
        long(10 * MEBIBYTE),
    ];
    cases.add(&MUTATIONS, "/request_id", bad.map(|id| (id, "128")));
    cases.required_id(&REPORTS, "/task_id");
    cases.required_id(&["ClaimTask", "DrainWorker", "StopWorker"], "/worker_id");
    cases.id(&["GetWorkerHealth"], "/worker_id");
    cases.id(&["ReportProgress"], "/checkpoint_id");
    for (methods, pointer) in [(&REPORTS[..], "/lease"), (&["ClaimTask"], "/epoch")] {
        cases.add(
            methods,
            pointer,
            [(json!(0), "missing"), (Value::Null, "missing")],
        );
        let beyond = [json!(BEYOND_TOKENS), json!(u64::MAX)];
        cases.add(methods, pointer, beyond.map(|token| (token, "")));
    }
}

fn life_cases(cases: &mut Cases) {
    cases.text(&["StartWorker"], "/executor", 200, "200");
    let missing = [json!(""), Value::Null];
    cases.add(
        &["StartWorker"],
        "/executor",
        missing.map(|value| (value, "required")),
    );
    cases.text(&["StartWorker"], "/name", 200, "200");
    let bad = [
        (json!(["with space"]), "letters"),
        (json!([""]), "letters"),
        (json!(["x".repeat(101)]), "100"),
        (json!(vec!["a"; 101]), "100"),
    ];
    cases.add(&["StartWorker"], "/capabilities", bad);
    cases.add(
        &["StartWorker"],
        "/capacity",
        [(json!(65), "64"), (json!(u32::MAX), "64")],
    );
    for (method, pointer, too_long, says) in [
        ("DrainWorker", "/deadline", "43201s", "43200"),
        ("ClaimTask", "/wait", "30.1s", "30s"),
    ] {
        let bad = ["-1s", "315576000000s", too_long];
        cases.add(&[method], pointer, bad.map(|span| (json!(span), says)));
    }
}

fn report_cases(cases: &mut Cases) {
    cases.fraction(&["ReportProgress"], "/progress");
    cases.text(&["ReportProgress"], "/note", 1_024, "1024");
    cases.text(&["ReleaseTask"], "/reason", 1_024, "1024");
    for pointer in ["/usage/input_tokens", "/usage/output_tokens"] {
        cases.add(&WITH_USAGE, pointer, [(json!(u64::MAX), "")]);
    }
    let prices = [json!("NaN"), json!("Infinity"), json!(-0.01), json!(1e9)];
    cases.add(
        &WITH_USAGE,
        "/usage/cost_usd",
        prices.map(|price| (price, "1000000")),
    );
    cases.add(&["CompleteTask"], "/result", [(Value::Null, "required")]);
    cases.text(&["CompleteTask"], "/result/text", 262_144, "262144");
    let deep = (0..33).fold(json!(1), |inner, _| json!({"a": inner}));
    let bad = [
        (json!({"a": "x".repeat(262_144)}), "262144"),
        (json!({"a": "x".repeat(10 * MEBIBYTE)}), "262144"),
        (deep, "32"),
    ];
    cases.add(&["CompleteTask"], "/result/data", bad);
    let bad = [
        (json!(vec!["a"; 101]), "100"),
        (json!([""]), "required"),
        (json!(["x".repeat(4_097)]), "4096"),
        (json!(["a\0b"]), "NUL"),
    ];
    cases.add(&["CompleteTask"], "/result/artifacts", bad);
    for (field, most, rule) in [("/result/denials", 50, "50"), ("/result/remarks", 20, "20")] {
        let bad = [
            (json!(vec!["a"; most + 1]), rule),
            (json!([""]), "required"),
            (json!(["x".repeat(1_025)]), "1024"),
        ];
        cases.add(&["CompleteTask"], field, bad);
    }
    cases.add(&["FailTask"], "/error", [(Value::Null, "required")]);
    cases.text(&["FailTask"], "/error/reason", 100, "100");
    cases.text(&["FailTask"], "/error/message", 8_192, "8192");
    let missing = [json!(""), Value::Null, json!(" ")];
    cases.add(
        &["FailTask"],
        "/error/message",
        missing.map(|value| (value, "required")),
    );
}

/// A stack with work on it.
struct TestEnv {
    service: Service,
    submitter: Wire,
    wire: Wire,
    work: WorkFixture,
    _redis: Redis,
    _temp: TempEnv,
}

impl TestEnv {
    async fn start() -> Self {
        let (temp, redis) = (TempEnv::new(), Redis::start());
        let service = WorkFixture::stack(&temp, &redis.url())
            .start_or_panic()
            .await;
        let submitter = Wire::to_coordination(&service);
        let wire = Wire::to_worker(&service);
        Self {
            work: WorkFixture::make(&submitter, &wire).await,
            submitter,
            wire,
            service,
            _redis: redis,
            _temp: temp,
        }
    }

    async fn task(&self, task_id: &Value) -> Value {
        let request = json!({"task_id": task_id});
        let answer = self.submitter.call("GetTask", &request).await.unwrap();
        answer["task"].clone()
    }
}

#[tokio::test]
async fn every_wrong_field_of_workers_is_refused_by_name() {
    let env = TestEnv::start().await;
    let mut cases = Cases::default();
    for add in [identity_cases, life_cases, report_cases] {
        add(&mut cases);
    }
    let (reported, _) = env.work.reported();
    let before = env.task(reported).await;
    assert_all_refused(&env.wire, &cases, |method| env.work.request(method)).await;

    assert!(env.service.is_healthy().await);
    let resident = env.service.resident_bytes();
    assert!(resident < MEMORY_LIMIT, "memory: {resident}");
    assert_eq!(
        env.task(reported).await,
        before,
        "nothing refused was noted"
    );
    let report = env.work.request("ReportProgress");
    let reported = env.wire.call("ReportProgress", &report).await;
    assert_eq!(
        reported.unwrap()["task"]["progress"],
        json!(0.5),
        "the claim stands"
    );
}

#[tokio::test]
async fn every_good_request_of_workers_is_accepted() {
    let env = TestEnv::start().await;
    let mut methods: Vec<_> = env.wire.methods();
    // What ends the worker comes last.
    methods.sort_by_key(|method| ["DrainWorker", "StopWorker"].contains(&method.name()));
    for method in methods {
        let request = env.work.request(method.name());
        let answer = env.wire.call(method.name(), &request).await;
        answer.unwrap_or_else(|refusal| panic!("{}: {refusal}", method.name()));
    }
}

#[tokio::test]
async fn unknown_tasks_and_workers_are_not_found_by_name() {
    let env = TestEnv::start().await;
    let ids = ["task_id", "worker_id"];
    let asked = assert_not_found(&env.wire, &ids, &[], |method| env.work.request(method)).await;
    assert_eq!(asked, 8);
}

#[tokio::test]
async fn a_lease_that_nobody_got_is_refused_and_ends_nothing() {
    let env = TestEnv::start().await;
    let (task_id, lease) = env.work.reported();
    for method in REPORTS {
        for wrong in [lease.as_u64().unwrap() + 1, 1, 1 << 53] {
            let mut request = env.work.request(method);
            request["task_id"] = task_id.clone();
            request["lease"] = json!(wrong);
            let refusal = env.wire.call(method, &request).await.unwrap_err();
            let refused_as = (refusal.code, refusal.reason.as_str());
            assert_eq!(
                refused_as,
                (Code::FailedPrecondition, "STALE_LEASE"),
                "{method} {wrong}: {refusal:?}"
            );
        }
    }
    let task = env.task(task_id).await;
    assert_eq!(task["state"], "TASK_STATE_RUNNING", "{task}");
}
