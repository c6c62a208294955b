//! Bad arguments: each is an answer that names the field, the expected form and the next step.

use serde_json::{Value, json};

use shim_gateway_stories::{EnvBuilder, TestEnv};

const COORDINATE: &str = "shim_coordinate_task";
const WORK: &str = "shim_worker_task";

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
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let arguments = json!({
        "progress": "NaN", "decisions": "one", "active_files": ["ok", "../../etc/passwd", "a\u{0}b"],
        "summary": "x".repeat(300_000), "trigger": "danger_zone", "session_id": "7", "note": 1,
    });
    let (error, text) = client.call_refused("shim_auto_checkpoint", arguments).await;
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
    assert!(env.stack.sessions().await.is_empty());
    client.close().await;
}

#[tokio::test]
async fn arguments_that_are_no_object_are_a_mistake_too() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    for arguments in [json!("task"), json!([1]), json!(7)] {
        let (_, text) = client.call_refused("shim_auto_checkpoint", arguments).await;
        assert!(
            text.contains("JSON object") && text.contains("current_task"),
            "{text}"
        );
    }
    let without = client
        .request("tools/call", json!({"name": "shim_auto_checkpoint"}))
        .await;
    assert_eq!(
        fields(&without["result"]["structuredContent"]["error"]),
        ["current_task", "progress"]
    );
    client.close().await;
}

#[tokio::test]
async fn floods_get_short_answers() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let many: Vec<_> = (0..100_000).map(|n| n.to_string()).collect();
    let arguments =
        json!({"current_task": "x".repeat(1_000_000), "progress": 1e300, "next_steps": many});
    let (error, text) = client.call_refused("shim_auto_checkpoint", arguments).await;
    assert_eq!(fields(&error), ["current_task", "progress", "next_steps"]);
    assert!(
        text.contains("at most 1000 items, not 100000") && text.len() < 1_000,
        "{text}"
    );
    client.close().await;
}

#[tokio::test]
async fn every_action_asks_for_what_it_needs_before_anything_is_opened() {
    for env in [TestEnv::new().await, TestEnv::with_coordination().await] {
        let mut client = env.connected().await;
        for (tool, arguments, missing) in [
            (COORDINATE, json!({"action": "submit"}), vec!["goal"]),
            (COORDINATE, json!({"action": "wait"}), vec!["task_id"]),
            (COORDINATE, json!({"action": "approve"}), vec!["task_id"]),
            (WORK, json!({"action": "complete"}), vec!["result"]),
            (WORK, json!({"action": "fail", "lease": "1"}), vec!["error"]),
            (WORK, json!({"action": "register"}), vec!["capabilities"]),
            (
                WORK,
                json!({"action": "release", "lease": "mine"}),
                vec!["lease"],
            ),
        ] {
            let (error, text) = client.call_refused(tool, arguments).await;
            assert_eq!(fields(&error), missing);
            assert!(text.contains("Next step:"), "{text}");
        }
        assert!(env.stack.sessions().await.is_empty());
        client.close().await;
    }
}

#[tokio::test]
async fn mistakes_within_the_parts_of_a_job_are_named_with_their_place() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let outside = env.folder.path().join("../elsewhere").display().to_string();
    let arguments = json!({
        "action": "submit", "goal": "g", "priority": 0, "requirements": ["can do"], "delay_seconds": -1,
        "subtasks": [{"id": "a", "goal": "x", "after": "b"}, {"goal": ""}, 7, {"id": "d", "goal": "x", "until": 1}],
        "files": [outside], "approval": "never",
    });
    let (error, text) = client.call_refused(COORDINATE, arguments).await;
    let expected = [
        "subtasks[0].after",
        "subtasks[1].id",
        "subtasks[1].goal",
        "subtasks[2]",
        "subtasks[3].until",
        "files[0]",
        "requirements[0]",
        "priority",
        "delay_seconds",
        "approval",
    ];
    assert_eq!(fields(&error), expected);
    assert!(
        text.contains("priority: must be a whole number from 1 to 100")
            && text.contains("there are id, goal, after"),
        "{text}"
    );
    let arguments = json!({
        "action": "submit", "goal": "g", "files": ["/nowhere/at/all.rs"],
        "subtasks": [{"id": "a", "goal": "x", "files": ["ok.rs", "/etc/hosts"]}],
    });
    let (error, text) = client.call_refused(COORDINATE, arguments).await;
    assert_eq!(fields(&error), ["files[0]", "subtasks[0].files[1]"]);
    assert!(text.contains("inside the workspace"), "{text}");
    let circle = json!({
        "action": "submit", "goal": "g", "subtasks": [{"id": "a", "goal": "x", "after": ["a"]}],
    });
    let (error, text) = client.call_refused(COORDINATE, circle).await;
    assert_eq!(fields(&error), ["subtasks[0].after[0]"]);
    assert!(text.contains("is the subtask itself"), "{text}");
    client.close().await;
}

#[tokio::test]
async fn without_a_coordination_service_nothing_is_opened_for_what_needs_it() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (tool, arguments) in [
        (
            COORDINATE,
            json!({"action": "message", "message": "m", "to_session": id}),
        ),
        (WORK, json!({"action": "register", "capabilities": []})),
        (WORK, json!({"action": "claim"})),
        (COORDINATE, json!({"action": "submit", "goal": "g"})),
        ("shim_session_status", json!({"view": "workers"})),
        ("shim_session_status", json!({"view": "tasks"})),
        ("shim_session_status", json!({"view": "queue"})),
    ] {
        let (error, text) = client.call_refused(tool, arguments).await;
        assert_eq!(error["reason"], "COORDINATION_NOT_CONNECTED");
        assert!(text.contains("endpoints.coordination"), "{text}");
    }
    assert!(env.stack.sessions().await.is_empty());
    client.close().await;
}

#[tokio::test]
async fn without_a_worker_service_jobs_can_be_submitted_and_not_claimed() {
    let env = EnvBuilder::with_coordination()
        .without_worker_service()
        .build()
        .await;
    let mut client = env.connected().await;
    for arguments in [
        json!({"action": "claim"}),
        json!({"action": "complete", "result": "r", "task_id": "01890a5d-ac96-774b-bcce-b302099a8057", "lease": "1"}),
    ] {
        let (error, text) = client.call_refused(WORK, arguments).await;
        assert_eq!(error["reason"], "WORKER_SERVICE_NOT_CONNECTED");
        assert!(text.contains("endpoints.worker"), "{text}");
    }
    assert!(env.stack.sessions().await.is_empty());
    let submit = json!({"action": "submit", "goal": "g"});
    client.call_ok(COORDINATE, submit).await;
    client.close().await;
}

#[tokio::test]
async fn a_message_needs_a_text_and_exactly_one_recipient() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let (error, _) = client
        .call_refused(COORDINATE, json!({"action": "message"}))
        .await;
    assert_eq!(fields(&error), ["message", "to_session"]);
    let two = json!({
        "action": "message", "message": "m", "to_capability": "rust",
        "to_session": "01890a5d-ac96-774b-bcce-b302099a8057",
    });
    let (error, text) = client.call_refused(COORDINATE, two).await;
    assert_eq!(fields(&error), ["to_session", "to_capability"]);
    assert!(text.contains("give one of"), "{text}");
    assert_eq!(env.coordination().calls("SendMessage"), 0);
    client.close().await;
}

#[tokio::test]
async fn arguments_an_action_needs_are_asked_for() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let (error, _) = client
        .call_refused("shim_session_status", json!({"view": "search"}))
        .await;
    assert_eq!(fields(&error), ["query"]);
    let (error, _) = client
        .call_refused("shim_check_recovery", json!({"action": "dismiss"}))
        .await;
    assert_eq!(fields(&error), ["session_id"]);
    let unknown = json!({"session_id": "01890a5d-ac96-774b-bcce-b302099a8057"});
    let (error, _) = client.call_refused("shim_session_status", unknown).await;
    assert_eq!(error["reason"], "SESSION_NOT_FOUND");
    client.close().await;
}
