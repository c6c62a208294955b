//! Wrong arguments of the two tools that share work, with the services behind them: some are found by the gateway, some
//! by the service, and both are told alike.

use serde_json::{Value, json};
use shim_redis_harness::Redis;
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;

use super::cases::MEBIBYTE;
use super::tools::{COORDINATE, Cases, STATUS, WORK, not_a_number, not_an_id, not_text, not_texts};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn not_one_of() -> Vec<Value> {
    let wrong = [json!("whatever"), json!("AUTO"), json!(" ")];
    not_text().into_iter().chain(wrong).collect()
}

fn not_whole(beyond: u64) -> Vec<Value> {
    let wrong = [json!(1.5), json!(beyond)];
    not_a_number().into_iter().chain(wrong).collect()
}

fn not_an_object() -> Vec<Value> {
    vec![
        json!("text"),
        json!(7),
        json!([1]),
        json!(true),
        json!({"a": "x".repeat(10 * MEBIBYTE)}),
        json!({"a": [1_234_567_890_123_456_789_u64]}),
        json!("{\"a\": 1234567890123456789}"),
    ]
}

fn too_long(bytes: usize) -> Vec<Value> {
    let wrong = [json!("x".repeat(bytes + 1)), json!("a\0b")];
    not_text().into_iter().chain(wrong).collect()
}

fn job_cases(cases: &mut Cases) {
    cases.field(COORDINATE, "goal", too_long(8_192));
    cases.field(COORDINATE, "goal", [json!(""), json!(" ")]);
    cases.field(COORDINATE, "kind", too_long(100));
    cases.field(COORDINATE, "files", [json!(["../x"]), json!(["a\0b"])]);
    cases.field(COORDINATE, "steps", not_texts(1_000));
    cases.field(COORDINATE, "steps", [json!(["x".repeat(1_025)])]);
    cases.field(COORDINATE, "requirements", not_texts(20));
    cases.field(COORDINATE, "requirements", [json!(["with space"])]);
    for field in [
        "split",
        "executor",
        "on_failure",
        "merge",
        "strategy",
        "approval",
        "overlap",
    ] {
        cases.field(COORDINATE, field, not_one_of());
    }
    cases.field(COORDINATE, "payload", not_an_object());
    for (field, beyond) in [
        ("priority", 101),
        ("delay_seconds", 2_592_001),
        ("deadline_seconds", u64::MAX),
        ("timeout_seconds", 43_201),
        ("max_attempts", 21),
    ] {
        cases.field(COORDINATE, field, not_whole(beyond));
    }
    let schedules = ["every monday", "* * * *", "61 * * * *", "0 0 30 2 *"];
    cases.field(COORDINATE, "schedule", schedules.map(Value::from));
    cases.field(COORDINATE, "schedule", too_long(200));
}

fn part_cases(cases: &mut Cases) {
    let part = |name: &str, value: Value| {
        let mut part = json!({"id": "a", "goal": "g"});
        part[name] = value;
        json!([part])
    };
    let flaws = [
        json!("text"),
        json!({"id": "a", "goal": "g"}),
        json!(["a"]),
        json!([{"goal": "g"}]),
        json!([{"id": "a"}]),
        json!([{"id": "a", "goal": "g", "unknown": 1}]),
        json!([{"id": "a", "goal": "g"}, {"id": "a", "goal": "g"}]),
        json!([{"id": "a", "goal": "g", "after": ["a"]}]),
        json!([{"id": "a", "goal": "g", "after": ["b"]}]),
        json!([{"id": "a", "goal": "g", "after": ["b"]}, {"id": "b", "goal": "g", "after": ["a"]}]),
        json!(vec![json!({"id": "a", "goal": "g"}); 1_001]),
        part("id", json!("x".repeat(101))),
        part("goal", json!("x".repeat(8_193))),
        part("after", json!(vec!["a"; 101])),
        part("after", json!(["x".repeat(10 * MEBIBYTE)])),
        part("files", json!(["../x"])),
        part("files", json!(vec!["a"; 101])),
        part("kind", json!("x".repeat(101))),
        part("requirements", json!(["with space"])),
        part("executor", json!("whatever")),
        part("payload", json!({"a": "x".repeat(65_536)})),
        part("priority", json!(0)),
        part("weight", json!(-1)),
        part("timeout_seconds", json!(0)),
        part("approval", json!("whatever")),
    ];
    cases.field(COORDINATE, "subtasks", flaws);
}

/// What the payload of a kind cannot hold; a part's own payload is that of the part.
fn kind_cases(cases: &mut Cases) {
    for (kind, payload, field) in [
        ("analyze", json!({"pathh": "/p"}), "payload.pathh"),
        ("analyze", json!({"path": "p"}), "payload.path"),
        ("analyze", json!({"transforms": []}), "payload.transforms"),
        ("analyze", json!({"limit": 0}), "payload.limit"),
        ("analyze", json!({"limit": -3}), "payload.limit"),
        (
            "analyze",
            json!({"include": ["../b"]}),
            "payload.include[0]",
        ),
        ("analyze", json!({"parts": 65}), "payload.parts"),
        (
            "evolve",
            json!({"max_functions": 3}),
            "payload.max_functions",
        ),
        (
            "evolve",
            json!({"evolution_id": "short"}),
            "payload.evolution_id",
        ),
        (
            "evolve",
            json!({"evolution_id": "0123456789ab", "agents": 2}),
            "payload.agents",
        ),
        (
            "evolve",
            json!({"transforms": ["no var"]}),
            "payload.transforms[0]",
        ),
        ("evolve", json!({"nightly": "yes"}), "payload.nightly"),
        ("generate_tests", json!({"seed": 0.5}), "payload.seed"),
        (
            "generate_tests",
            json!({"with_work_history": true}),
            "payload.with_work_history",
        ),
    ] {
        let call = json!({"action": "submit", "goal": "g", "kind": kind, "payload": payload});
        cases.of(COORDINATE, call, field);
        let parts = json!([
            {"id": "a", "goal": "g", "kind": kind, "payload": payload},
            {"id": "b", "goal": "g", "kind": "write", "payload": {"anything": 1}},
        ]);
        let call = json!({"action": "submit", "goal": "g", "subtasks": parts});
        cases.of(COORDINATE, call, field);
    }
}

/// What follows a job, with `task_id` and the rest in order.
fn follow_cases(cases: &mut Cases) {
    for action in ["status", "wait", "results", "cancel", "retry", "approve"] {
        cases.of(COORDINATE, json!({"action": action}), "task_id");
        for wrong in not_an_id() {
            let call = json!({"action": action, "task_id": wrong});
            cases.of(COORDINATE, call, "task_id");
        }
    }
    let of_task = |action: &str, field: &str, value: Value| {
        let mut call = json!({"action": action, "task_id": UNKNOWN});
        call[field] = value;
        call
    };
    for wrong in not_whole(26) {
        cases.of(
            COORDINATE,
            of_task("wait", "wait_seconds", wrong),
            "wait_seconds",
        );
    }
    for wrong in too_long(200).into_iter().chain([json!("nonsense")]) {
        cases.of(COORDINATE, of_task("wait", "cursor", wrong), "cursor");
    }
    for wrong in [json!("yes"), json!(1), json!([])] {
        cases.of(COORDINATE, of_task("approve", "reject", wrong), "reject");
    }
    for wrong in too_long(1_024) {
        cases.of(COORDINATE, of_task("cancel", "reason", wrong), "reason");
    }
    for wrong in not_one_of() {
        cases.of(COORDINATE, of_task("results", "merge", wrong), "merge");
    }
}

fn worker_cases(cases: &mut Cases) {
    let action = |action: &str, field: &str, value: Value| {
        let mut call = json!({"action": action, "task_id": UNKNOWN, "lease": "7"});
        for (of, name, good) in [
            ("progress", "progress", json!(0.5)),
            ("complete", "result", json!("done")),
            ("fail", "error", json!("no luck")),
        ] {
            if of == action {
                call[name] = good;
            }
        }
        call[field] = value;
        call
    };
    for (of, field) in [
        ("register", "capabilities"),
        ("progress", "progress"),
        ("complete", "result"),
        ("fail", "error"),
    ] {
        cases.of(WORK, action(of, field, Value::Null), field);
    }
    let fraction = not_a_number().into_iter().chain([json!(1.01)]).collect();
    for (of, field, flaws) in [
        (
            "register",
            "capabilities",
            vec![json!(["with space"]), json!(["x".repeat(101)])],
        ),
        ("claim", "wait_seconds", not_whole(21)),
        ("progress", "progress", fraction),
        ("progress", "note", too_long(1_024)),
        ("complete", "result", too_long(262_144)),
        ("complete", "data", not_an_object()),
        ("complete", "artifacts", not_texts(100)),
        ("fail", "error", too_long(8_192)),
        ("fail", "final", vec![json!("yes"), json!(1)]),
        ("release", "reason", too_long(1_024)),
        ("release", "task_id", not_an_id()),
        (
            "release",
            "lease",
            vec![json!("nonsense"), json!(""), json!("-1"), json!([1])],
        ),
        ("claim", "session_id", not_an_id()),
    ] {
        for flaw in flaws {
            cases.of(WORK, action(of, field, flaw), field);
        }
    }
}

async fn start_gateway() -> (TempEnv, Redis, Service, Gateway) {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let stack = Launch::stack(&temp.data_dir(), &redis.url());
    let service = stack.start_or_panic().await;
    // It finds the stack of the data folder by itself.
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let gateway = launch.open().await;
    (temp, redis, service, gateway)
}

#[tokio::test]
async fn every_wrong_argument_about_tasks_is_named_with_the_next_step() {
    let (_temp, _redis, service, mut gateway) = start_gateway().await;
    let mut cases = Cases::default();
    for add in [
        job_cases,
        part_cases,
        kind_cases,
        follow_cases,
        worker_cases,
    ] {
        add(&mut cases);
    }
    cases.assert_all_named(&mut gateway).await;
    assert!(service.is_healthy().await);

    let listed = gateway.call(STATUS, json!({"view": "tasks"})).await;
    let listed = &listed["structuredContent"]["tasks"];
    assert_eq!(listed, &json!([]), "nothing refused was submitted");
    let call = json!({"action": "submit", "goal": "g"});
    let submitted = gateway.call(COORDINATE, call).await;
    assert_ne!(submitted["isError"], json!(true), "{submitted}");
}

#[tokio::test]
async fn unknown_tasks_are_said_to_be_unknown() {
    let (_temp, _redis, _service, mut gateway) = start_gateway().await;
    let mut calls = Vec::new();
    for action in ["status", "wait", "results", "cancel", "retry", "approve"] {
        calls.push((COORDINATE, json!({"action": action, "task_id": UNKNOWN})));
    }
    for action in ["progress", "complete", "fail", "release"] {
        let call = json!({
            "action": action, "task_id": UNKNOWN, "lease": "7", "progress": 0.5, "result": "r", "error": "e",
        });
        calls.push((WORK, call));
    }
    for (tool, call) in calls {
        let result = gateway.call(tool, call.clone()).await;
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(result["isError"], json!(true), "{call}: {result}");
        assert!(
            text.contains(UNKNOWN) && text.contains("TASK_NOT_FOUND"),
            "{call}: {text}"
        );
    }
}
