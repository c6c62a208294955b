//! Tasks of the kinds that the evolution service does.

use serde_json::json;
use shim_proto::coordination::v1::SubmitTaskRequest;
use shim_redis_harness::Redis;
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

use super::{CodeEnv, find};

#[tokio::test(flavor = "multi_thread")]
async fn an_evolution_as_a_task_waits_for_approval_and_is_then_applied() {
    let env = CodeEnv::new().await;
    env.said(&["trust", "."]).await;
    let analyzed = env
        .said(&["tasks", "submit", "look", "--kind", "analyze", "--wait"])
        .await;
    assert!(analyzed.contains("completed"), "{analyzed}");

    let payload = json!({"transforms": ["var-to-let-const"], "limit": 1});
    let merged = env.done("evolve", &payload).await;
    let proposal = find(&merged["result"], "proposals").expect("the result has proposals");
    let task = proposal[0]["task_id"].as_str().unwrap().to_owned();
    env.assert_untouched();
    let waiting = &env.json(&["tasks", "show", &task, "--json"]).await[0];
    assert_eq!(waiting["task"]["state"], "TASK_STATE_AWAITING_APPROVAL");

    env.said(&["tasks", "approve", &task]).await;
    let watched = env.said(&["tasks", "watch", &task]).await;
    assert!(watched.contains("completed"), "{watched}");
    let result = env.said(&["tasks", "results", &task, "--raw"]).await;
    assert!(result.contains("is committed on branch"), "{result}");
    env.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_asks_for_the_impossible_fails_at_once_and_says_why() {
    let env = CodeEnv::new().await;
    for (kind, payload, why) in [
        (
            "analyze",
            json!({"path": "/no/such/folder"}),
            "OUTSIDE_ROOTS",
        ),
        ("analyze", json!({"pathh": "x"}), "there is no such field"),
        (
            "evolve",
            json!({"transforms": ["no-such"]}),
            "TRANSFORM_UNKNOWN",
        ),
        (
            "evolve",
            json!({"evolution_id": "0123456789ab"}),
            "EVOLUTION_NOT_FOUND",
        ),
        ("generate_tests", json!({}), "PROJECT_NOT_TRUSTED"),
    ] {
        let payload = payload.to_string();
        let words = [
            "tasks",
            "submit",
            "g",
            "--kind",
            kind,
            "--payload",
            &payload,
            "--wait",
        ];
        let output = env.shim(&words).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(why),
            "{kind}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_node_a_task_fails_once_with_the_remedy() {
    let env = CodeEnv::with(|_, launch| launch.env("SHIM_EVOLUTION_NODE", "/no/such/node")).await;
    for kind in ["analyze", "evolve"] {
        let words = ["tasks", "submit", "g", "--kind", kind, "--wait", "--json"];
        let output = env.shim(&words).await;
        assert!(!output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        let merged: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let task = &merged["task"];
        let why = task["error"]["message"].as_str().unwrap();
        assert!(why.contains("NODE_MISSING"), "{task}");
        assert!(why.contains("install Node.js"), "{task}");
        assert_eq!(task["attempts"], 1, "{task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_nobody_does_says_so_when_it_is_submitted() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let launch = Launch::coordination(&temp.data_dir(), &redis.url());
    let service = launch.start_or_panic().await;
    let submit = |kind: &str| SubmitTaskRequest {
        request_id: format!("notes-{kind}"),
        goal: "look".to_owned(),
        kind: kind.to_owned(),
        ..SubmitTaskRequest::default()
    };
    let mut tasks = service.tasks().jobs;
    let answer = tasks.submit_task(submit("analyze")).await.unwrap();
    let notes = answer.into_inner().notes;
    assert!(
        notes[0].contains("no worker with the executor analysis"),
        "{notes:?}"
    );
    let answer = tasks.submit_task(submit("write")).await.unwrap();
    assert_eq!(answer.into_inner().notes, [""; 0]);

    let env = CodeEnv::new().await;
    let said = env
        .said(&["tasks", "submit", "g", "--kind", "analyze"])
        .await;
    assert!(!said.contains("note:"), "{said}");
}
