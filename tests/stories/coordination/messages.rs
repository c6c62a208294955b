//! Two Claude windows on one local stack talk to each other through the tools.

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch, refusal};
use shim_tests::temp_env::TempEnv;

const TEXT: &str = "the parser is mine until noon";

async fn ask(gateway: &mut Gateway, tool: &str, arguments: Value) -> Value {
    let answer = gateway.call(tool, arguments).await;
    assert_ne!(answer["isError"], json!(true), "{tool}: {answer}");
    answer
}

/// Saves a checkpoint and returns the whole answer.
async fn save(gateway: &mut Gateway, task: &str) -> Value {
    let arguments = json!({"current_task": task, "progress": 0.5});
    ask(gateway, "shim_auto_checkpoint", arguments).await
}

/// The messages among the notices of an answer.
fn messages(answer: &Value) -> Vec<&Value> {
    let notices = answer["structuredContent"]["notices"].as_array();
    let notices = notices.into_iter().flatten();
    notices
        .filter(|notice| notice["kind"] == "message")
        .collect()
}

#[tokio::test]
async fn a_message_is_in_the_next_answer_of_the_other_window_and_only_there() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let (mut ours, mut theirs) = (launch.open().await, launch.open().await);
    let from = save(&mut ours, "write the parser").await["structuredContent"]["session_id"].clone();
    let saved = save(&mut theirs, "write the tests").await;
    assert!(messages(&saved).is_empty(), "{saved}");
    let to = saved["structuredContent"]["session_id"].clone();
    assert_ne!(from, to);

    let sending = json!({"action": "message", "to_session": to, "message": TEXT});
    let sent = ask(&mut ours, "shim_coordinate_task", sending).await;
    assert_eq!(sent["structuredContent"]["recipients"], 1, "{sent}");

    let received = ask(
        &mut theirs,
        "shim_session_status",
        json!({"view": "session"}),
    )
    .await;
    let [message] = messages(&received)[..] else {
        panic!("one message: {received}")
    };
    assert!(message.to_string().contains(TEXT), "{message}");
    assert_eq!(message["from"], from, "{message}");
    let text = received["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(TEXT), "content tells it too: {text}");

    for _ in 0..2 {
        let next = save(&mut theirs, "go on").await;
        assert!(messages(&next).is_empty(), "it was told once: {next}");
    }
    assert!(messages(&save(&mut ours, "go on").await).is_empty());
}

#[tokio::test]
async fn a_message_to_a_session_that_there_is_not_is_refused() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut ours = launch.open().await;
    save(&mut ours, "write the parser").await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let sending = json!({"action": "message", "to_session": unknown, "message": TEXT});
    let refused = ours.call("shim_coordinate_task", sending).await;
    assert_eq!(refusal(&refused), "SESSION_NOT_FOUND", "{refused}");
    assert!(
        refused["structuredContent"].get("recipients").is_none(),
        "{refused}"
    );
}
