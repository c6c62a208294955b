//! Bad arguments: each is an answer that names the field, the expected form and the next step.

use serde_json::{Value, json};

use super::client::Stage;

fn fields(error: &Value) -> Vec<&str> {
    error["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["field"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn all_mistakes_of_a_call_are_named_at_once_and_nothing_is_done() {
    let stage = Stage::set();
    let mut client = stage.connected().await;
    let arguments = json!({
        "progress": "NaN", "decisions": "one", "active_files": ["ok", "../../etc/passwd", "a\u{0}b"],
        "summary": "x".repeat(300_000), "trigger": "danger_zone", "session_id": "7", "note": 1,
    });
    let (error, text) = client.refused("shim_auto_checkpoint", arguments).await;
    let expected = [
        "current_task",
        "progress",
        "decisions",
        "active_files[1]",
        "active_files[2]",
        "summary",
        "trigger",
        "session_id",
        "note",
    ];
    assert_eq!(fields(&error), expected);
    assert!(
        text.contains("progress: must be a number from 0 to 1") && text.contains("Next step:"),
        "{text}"
    );
    assert!(
        text.contains("262144 bytes") && text.len() < 3_000,
        "{text}"
    );
    assert!(stage.service.store.lock().unwrap().sessions.is_empty());
    client.close().await;
}

#[tokio::test]
async fn arguments_that_are_no_object_are_a_mistake_too() {
    let stage = Stage::set();
    let mut client = stage.connected().await;
    for arguments in [json!("task"), json!([1]), json!(7)] {
        let (_, text) = client.refused("shim_auto_checkpoint", arguments).await;
        assert!(
            text.contains("JSON object") && text.contains("current_task"),
            "{text}"
        );
    }
    let without = client
        .ask("tools/call", json!({"name": "shim_auto_checkpoint"}))
        .await;
    assert_eq!(
        fields(&without["result"]["structuredContent"]["error"]),
        ["current_task", "progress"]
    );
    client.close().await;
}

#[tokio::test]
async fn floods_get_short_answers() {
    let stage = Stage::set();
    let mut client = stage.connected().await;
    let many: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
    let arguments =
        json!({"current_task": "x".repeat(1_000_000), "progress": 1e300, "next_steps": many});
    let (error, text) = client.refused("shim_auto_checkpoint", arguments).await;
    assert_eq!(fields(&error), ["current_task", "progress", "next_steps"]);
    assert!(
        text.contains("at most 1000 items, not 100000") && text.len() < 1_000,
        "{text}"
    );
    client.close().await;
}

#[tokio::test]
async fn the_tools_without_a_service_check_their_arguments_and_say_what_is_missing() {
    let stage = Stage::set();
    let mut client = stage.connected().await;
    let (error, _) = client
        .refused("shim_coordinate_task", json!({"action": "submit"}))
        .await;
    assert_eq!(fields(&error), ["goal"]);
    let (error, _) = client
        .refused(
            "shim_coordinate_task",
            json!({"action": "submit", "goal": "g"}),
        )
        .await;
    assert_eq!(error["reason"], "COORDINATION_NOT_CONNECTED");
    let (error, _) = client
        .refused(
            "shim_worker_task",
            json!({"action": "complete", "task_id": "t"}),
        )
        .await;
    assert_eq!(fields(&error), ["lease", "result"]);
    let (error, _) = client
        .refused("shim_worker_task", json!({"action": "claim"}))
        .await;
    assert_eq!(error["reason"], "WORKER_NOT_CONNECTED");
    for view in ["tasks", "workers", "queue"] {
        let (error, _) = client
            .refused("shim_session_status", json!({"view": view}))
            .await;
        assert_eq!(error["reason"], "COORDINATION_NOT_CONNECTED");
    }
    client.close().await;
}

#[tokio::test]
async fn arguments_an_action_needs_are_asked_for() {
    let stage = Stage::set();
    let mut client = stage.connected().await;
    let (error, _) = client
        .refused("shim_session_status", json!({"view": "search"}))
        .await;
    assert_eq!(fields(&error), ["query"]);
    let (error, _) = client
        .refused("shim_check_recovery", json!({"action": "dismiss"}))
        .await;
    assert_eq!(fields(&error), ["session_id"]);
    let unknown = json!({"session_id": "01890a5d-ac96-774b-bcce-b302099a8057"});
    let (error, _) = client.refused("shim_session_status", unknown).await;
    assert_eq!(error["reason"], "SESSION_NOT_FOUND");
    client.close().await;
}
