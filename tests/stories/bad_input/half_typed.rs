//! Arguments that a client sends as text though they are numbers, flags, lists or objects: taken as meant, and told.

use serde_json::{Value, json};
use shim_redis_harness::Redis;
use shim_tests::mcp::{GatewayLaunch, tool_output};
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

use super::tools::{COORDINATE, RECOVER, SAVE, SIGNALS, STATUS, WORK};

/// What the notices say of readings.
fn told(output: &Value) -> String {
    let notices = output["notices"].as_array().into_iter().flatten();
    let mut texts = notices
        .filter(|notice| notice["kind"] == "arguments_read_as_meant")
        .map(|notice| notice["text"].as_str().unwrap());
    texts.next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_tool_takes_what_was_typed_as_text_and_tells_so() {
    let (temp, redis) = (TempEnv::new(), Redis::start());
    let stack = Launch::stack(&temp.data_dir(), &redis.url());
    let _service = stack.start_or_panic().await;
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut gateway = launch.open().await;

    let save = json!({
        "current_task": "0.5", "progress": "0.5", "decisions": "[\"a\", \"b\"]", "next_steps": "", "summary": "",
        "session_id": "",
    });
    let saved = tool_output(gateway.call(SAVE, save).await);
    let said = told(&saved);
    for field in [
        "progress",
        "decisions",
        "next_steps",
        "summary",
        "session_id",
    ] {
        assert!(said.contains(&format!("{field}: ")), "{said}");
    }
    assert!(!said.contains("current_task"), "{said}");

    let plan = json!({
        "action": "submit", "goal": "g", "priority": "7", "payload": "{\"depth\": 2}", "requirements": "",
        "subtasks": "[{\"id\": \"a\", \"goal\": \"g\", \"weight\": \"2\"}, \"{\\\"id\\\": \\\"b\\\", \\\"goal\\\": \\\"h\\\", \\\"after\\\": \\\"[\\\\\\\"a\\\\\\\"]\\\"}\"]",
    });
    let submitted = tool_output(gateway.call(COORDINATE, plan).await);
    let said = told(&submitted);
    assert!(
        said.contains("subtasks[0].weight") && said.contains("and "),
        "{said}"
    );
    let task_id = submitted["task"]["task_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{submitted}"))
        .to_owned();

    for (tool, arguments, field) in [
        (RECOVER, json!({"action": "", "project": ""}), "action"),
        (
            SIGNALS,
            json!({"estimated_tokens": "1000", "message_count": "3"}),
            "message_count",
        ),
        (STATUS, json!({"view": "sessions", "limit": "3"}), "limit"),
        (
            COORDINATE,
            json!({"action": "wait", "task_id": task_id, "wait_seconds": "0", "cursor": ""}),
            "wait_seconds",
        ),
        (
            WORK,
            json!({"action": "claim", "capabilities": "[]", "wait_seconds": "5"}),
            "capabilities",
        ),
        (
            WORK,
            json!({"action": "progress", "progress": "0.25", "note": ""}),
            "progress",
        ),
        (
            WORK,
            json!({"action": "complete", "result": "true", "data": "{\"n\": 1}"}),
            "data",
        ),
    ] {
        let output = tool_output(gateway.call(tool, arguments).await);
        assert!(told(&output).contains(field), "{tool} {field}: {output}");
    }
    let whole = json!({"name": STATUS, "arguments": "{\"view\": \"session\"}"});
    let output = tool_output(gateway.request("tools/call", whole).await.unwrap());
    assert!(told(&output).contains("arguments: "), "{output}");
    let plain = tool_output(
        gateway
            .call(STATUS, json!({"view": "sessions", "limit": 3}))
            .await,
    );
    assert_eq!(told(&plain), "");
    gateway.close().await;
}
