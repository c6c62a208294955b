//! The conversation that the client's process has now, by the file of its live session: the environment of the gateway names
//! the one that it was started for.

use std::path::PathBuf;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::SessionStatus;
use shim_runtime::process;
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::temp_env::TempEnv;

use crate::live::{SAVE, save, save_arguments, session, session_id, until};

const STATUS: &str = "shim_session_status";

/// The client: this test, with a folder of its own as Claude Code keeps one.
struct Window {
    temp: TempEnv,
}

impl Window {
    fn new() -> Self {
        let temp = TempEnv::new();
        std::fs::create_dir_all(temp.root().join("claude/sessions")).unwrap();
        Self { temp }
    }

    fn folder(&self) -> PathBuf {
        self.temp.root().join("claude")
    }

    fn file(&self) -> PathBuf {
        let pid = process::own().pid;
        self.folder().join(format!("sessions/{pid}.json"))
    }

    /// The client goes on to a conversation, as by `/clear` and `/resume`.
    fn enter(&self, conversation: &str) {
        let own = process::own();
        let file = json!({
            "pid": own.pid, "sessionId": conversation, "cwd": self.temp.project(), "kind": "interactive",
            "procStart": own.start_ticks.to_string(), "status": "busy", "messagingToken": "secret",
        });
        std::fs::write(self.file(), file.to_string()).unwrap();
    }

    /// A gateway whose environment names a conversation.
    fn launch(&self, named: &str) -> GatewayLaunch {
        GatewayLaunch::new(&self.temp.data_dir(), &self.temp.project())
            .with_env("CLAUDE_CONFIG_DIR", &self.folder().display().to_string())
            .with_env("CLAUDE_CODE_SESSION_ID", named)
    }
}

fn kinds(answer: &Value) -> Vec<&str> {
    let notices = answer["notices"].as_array().into_iter().flatten();
    notices
        .filter_map(|notice| notice["kind"].as_str())
        .collect()
}

async fn look(gateway: &mut Gateway) -> Value {
    tool_output(gateway.call(STATUS, json!({})).await)
}

#[tokio::test]
async fn a_cleared_window_begins_a_session_and_a_resumed_conversation_has_its_own_again() {
    let window = Window::new();
    window.enter("first");
    let mut gateway = window.launch("first").open().await;
    let first = session_id(&save(&mut gateway, "in the first").await);

    window.enter("second");
    let looked = look(&mut gateway).await;
    assert_eq!(looked.get("session_id"), None, "{looked}");
    until(&window.temp, &first, SessionStatus::Interrupted).await;
    let saved = save(&mut gateway, "in the second").await;
    let second = session_id(&saved);
    assert_ne!(second, first);
    assert_eq!(saved["checkpoint"]["number"], 1, "{saved}");
    assert_eq!(kinds(&saved), ["conversation_changed"], "{saved}");
    assert!(saved["notices"].to_string().contains(&first), "{saved}");
    let again = save(&mut gateway, "still in the second").await;
    assert!(
        session_id(&again) == second && kinds(&again).is_empty(),
        "{again}"
    );

    window.enter("first");
    let looked = look(&mut gateway).await;
    assert_eq!(
        looked["session_id"],
        json!(first),
        "found by a look: {looked}"
    );
    assert_eq!(
        session(&window.temp, &first).await.epoch,
        1,
        "and not taken"
    );
    let saved = save(&mut gateway, "in the first again").await;
    assert_eq!(
        (session_id(&saved), &saved["checkpoint"]["number"]),
        (first.clone(), &json!(2))
    );
    let told = kinds(&saved);
    assert!(told.contains(&"session_continued"), "{saved}");
    let left = session(&window.temp, &second).await;
    let evidence = left.interruption.unwrap().evidence;
    assert!(
        left.head_number == 2 && !evidence.is_empty(),
        "left as it was"
    );
    gateway.close().await;
}

#[tokio::test]
async fn a_conversation_that_goes_on_has_its_session_whatever_the_environment_names() {
    let window = Window::new();
    window.enter("the conversation");
    let mut gateway = window.launch("the conversation").open().await;
    let id = session_id(&save(&mut gateway, "before").await);
    gateway.close().await;
    until(&window.temp, &id, SessionStatus::Interrupted).await;

    // As `claude -p --continue` starts it.
    let mut gateway = window.launch("a name that no transcript has").open().await;
    let saved = save(&mut gateway, "after").await;
    assert_eq!(session_id(&saved), id, "{saved}");
    gateway.close().await;
}

#[tokio::test]
async fn a_file_of_another_process_and_a_torn_one_do_not_move_a_window() {
    let window = Window::new();
    let mut gateway = window.launch("named").open().await;
    let id = session_id(&save(&mut gateway, "before").await);
    let own = process::own();
    let stale = json!({"pid": own.pid, "sessionId": "stale", "procStart": (own.start_ticks + 1).to_string()});
    for contents in [
        stale.to_string(),
        "{\"pid\":".to_owned(),
        "x".repeat(100_000),
        String::new(),
    ] {
        std::fs::write(window.file(), contents).unwrap();
        assert_eq!(session_id(&save(&mut gateway, "as before").await), id);
    }
    gateway.close().await;
}

#[tokio::test]
async fn a_worker_that_clears_its_window_gives_its_task_back() {
    let window = Window::new();
    window.enter("first");
    let mut gateway = window.launch("first").open().await;
    let work = "shim_worker_task";
    let submit = json!({"action": "submit", "goal": "port the parser"});
    let job = tool_output(gateway.call("shim_coordinate_task", submit).await);
    let claim = json!({"action": "claim", "capabilities": [], "wait_seconds": 15});
    let claimed = tool_output(gateway.call(work, claim.clone()).await);
    assert_eq!(
        claimed["task"]["task_id"], job["task"]["task_id"],
        "{claimed}"
    );

    window.enter("second");
    let again = tool_output(gateway.call(work, claim).await);
    assert_eq!(
        again["task"]["task_id"], job["task"]["task_id"],
        "it was given back: {again}"
    );
    assert_ne!(again["session_id"], claimed["session_id"]);
    let mut named = save_arguments("by its name");
    named["session_id"] = again["session_id"].clone();
    assert_eq!(
        session_id(&tool_output(gateway.call(SAVE, named).await)),
        again["session_id"].as_str().unwrap()
    );
    gateway.close().await;
}
