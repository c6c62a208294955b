//! Tasks of the kinds that the evolution service does.

use serde_json::{Value, json};

use super::CodeEnv;

#[tokio::test(flavor = "multi_thread")]
async fn an_evolution_as_a_task_waits_for_approval_and_is_then_applied() {
    let env = CodeEnv::new().await;
    env.said(&["trust", "."]).await;
    let analyzed = env
        .said(&["tasks", "submit", "look", "--kind", "analyze", "--wait"])
        .await;
    assert!(analyzed.contains("completed"), "{analyzed}");

    let payload = json!({"transforms": ["var-to-let-const"], "limit": 1}).to_string();
    let evolve = [
        "tasks",
        "submit",
        "modernize",
        "--kind",
        "evolve",
        "--payload",
        &payload,
    ];
    let submitted = env
        .json(&[&evolve[..], &["--wait", "--json"]].concat())
        .await;
    let merged = submitted.last().unwrap();
    let proposal = find(merged, "proposals").expect("the result has proposals");
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

/// The first value of this name, wherever it stands.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(object) => object
            .get(name)
            .or_else(|| object.values().find_map(|inner| find(inner, name))),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}
