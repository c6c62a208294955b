//! The next step of every refusal of a tool can be taken: the calls and commands it names do what it says.

use serde_json::{Map, Value, json};
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{EndSessionRequest, SessionStatus};
use shim_runtime::client::{Endpoint, connect};
use shim_tests::calls;
use shim_tests::mcp::{Gateway, GatewayLaunch, refusal};
use shim_tests::temp_env::TempEnv;
use uuid::Uuid;

use super::{RECOVER, SAVE, save, save_arguments, session_id, shim, until};

/// What a next step tells to do, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A command of the user.
    Command(Vec<String>),
    /// A call of a tool.
    Call(String, Value),
}

/// The steps that a text names: `shim ...` between backticks, and `shim_TOOL name=value ...`.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            let command = part.strip_prefix("shim ");
            steps.extend(
                command.map(|words| Step::Command(words.split(' ').map(str::to_owned).collect())),
            );
            continue;
        }
        let mut words = part.split_ascii_whitespace().peekable();
        while let Some(word) = words.next() {
            let Some(tool) = word.strip_prefix("shim_") else {
                continue;
            };
            let mut arguments = Map::new();
            while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
                let ends = value.ends_with([',', ';', '.', ':']);
                let value = value.trim_end_matches([',', ';', '.', ':']);
                arguments.insert(name.to_owned(), value.into());
                words.next();
                if ends {
                    break;
                }
            }
            if tool == "auto_checkpoint" {
                arguments.insert("current_task".into(), "as the step says".into());
                arguments.insert("progress".into(), json!(0.5));
            }
            steps.push(Step::Call(format!("shim_{tool}"), arguments.into()));
        }
    }
    steps
}

fn next_step(refused: &Value) -> String {
    let step = refused["structuredContent"]["error"]["next_step"].as_str();
    let step = step
        .unwrap_or_else(|| panic!("no next step: {refused}"))
        .to_owned();
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(&step), "both faces say it: {refused}");
    step
}

/// Takes every step that a refusal names.
async fn follow(temp: &TempEnv, gateway: &mut Gateway, reason: &str, refused: &Value) {
    assert_eq!(refusal(refused), reason, "{refused}");
    let steps = steps(&next_step(refused));
    assert!(!steps.is_empty(), "{refused} names no step");
    for step in steps {
        match &step {
            Step::Command(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let output = shim(temp, &words).await;
                assert!(output.status.success(), "{step:?}: {output:?}");
            }
            Step::Call(tool, arguments) => {
                let answer = gateway.call(tool, arguments.clone()).await;
                assert_ne!(answer["isError"], json!(true), "{step:?}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_held_by_another_client_is_freed_and_taken_as_the_refusal_says() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    for tool in [RECOVER, SAVE] {
        let mut owner = launch.open().await;
        let id = session_id(&save(&mut owner, "mine").await);
        let mut other = launch.open().await;
        let mut arguments = save_arguments("not mine");
        arguments["session_id"] = id.clone().into();
        let restore = json!({"action": "restore", "session_id": id});
        let arguments = if tool == SAVE { arguments } else { restore };
        let refused = other.call(tool, arguments).await;
        follow(&temp, &mut other, "SESSION_OWNED", &refused).await;
        // The owner is told in turn, and can do what it is told once the other is gone.
        let refused = owner.call(SAVE, save_arguments("still mine?")).await;
        assert_eq!(refusal(&refused), "STALE_OWNER", "{refused}");
        other.close().await;
        until(&temp, &id, SessionStatus::Interrupted).await;
        follow(&temp, &mut owner, "STALE_OWNER", &refused).await;
    }
}

#[tokio::test]
async fn steps_about_sessions_can_be_taken() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut gateway = launch.open().await;
    let own = session_id(&save(&mut gateway, "own").await);
    let mut ending = launch.open().await;
    let ended = session_id(&save(&mut ending, "to be ended").await);
    ending.close().await;
    until(&temp, &ended, SessionStatus::Interrupted).await;
    let end = EndSessionRequest {
        request_id: calls::request_id(),
        session_id: ended.clone(),
        ..Default::default()
    };
    let endpoint = Endpoint::Unix(temp.stack().socket());
    let mut client = CheckpointServiceClient::new(connect(&endpoint, None).unwrap());
    client.end_session(end).await.unwrap();
    let unknown = Uuid::now_v7().to_string();
    let with = |id: &str| {
        let mut arguments = save_arguments("elsewhere");
        arguments["session_id"] = id.into();
        arguments
    };
    let cases = [
        (SAVE, with(&unknown), "SESSION_NOT_FOUND"),
        (
            RECOVER,
            json!({"action": "restore", "session_id": unknown}),
            "SESSION_NOT_FOUND",
        ),
        (
            RECOVER,
            json!({"action": "dismiss", "session_id": unknown}),
            "SESSION_NOT_FOUND",
        ),
        (
            "shim_session_status",
            json!({"session_id": unknown}),
            "SESSION_NOT_FOUND",
        ),
        (
            RECOVER,
            json!({"action": "restore", "checkpoint_id": unknown}),
            "CHECKPOINT_NOT_FOUND",
        ),
        (
            RECOVER,
            json!({"action": "restore", "session_id": own, "checkpoint_id": unknown}),
            "CHECKPOINT_NOT_FOUND",
        ),
        (
            RECOVER,
            json!({"action": "dismiss", "session_id": own}),
            "NOT_INTERRUPTED",
        ),
        (RECOVER, json!({"action": "restore"}), "NOTHING_TO_RESTORE"),
        (
            "shim_coordinate_task",
            json!({"action": "message", "to_session": ended, "message": "hello"}),
            "SESSION_ENDED",
        ),
        // Its step takes the session up again.
        (SAVE, with(&ended), "SESSION_ENDED"),
        (
            "shim_coordinate_task",
            json!({"action": "cancel", "task_id": unknown}),
            "TASK_NOT_FOUND",
        ),
        (
            "shim_session_status",
            json!({"view": "tasks", "query": unknown}),
            "TASK_NOT_FOUND",
        ),
        (
            "shim_coordinate_task",
            json!({"action": "message", "to_capability": "none", "message": "hello"}),
            "NO_RECIPIENTS",
        ),
    ];
    for (tool, arguments, reason) in cases {
        let refused = gateway.call(tool, arguments).await;
        follow(&temp, &mut gateway, reason, &refused).await;
    }
}

#[tokio::test]
async fn a_window_whose_session_was_deleted_goes_on_with_another_one() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut window = launch.open().await;
    let first = session_id(&save(&mut window, "first").await);
    shim(&temp, &["sessions", "delete", &first, "--yes", "--force"]).await;
    let answer = save(&mut window, "second").await;
    let second = session_id(&answer);
    assert_ne!(first, second, "{answer}");

    // Taken from the window first, then deleted: the window is not sent to what is not there any more.
    shim(&temp, &["sessions", "restore", &second, "--take-over"]).await;
    let taken = window.call(SAVE, save_arguments("third")).await;
    assert_eq!(refusal(&taken), "STALE_OWNER", "{taken}");
    shim(&temp, &["sessions", "delete", &second, "--yes"]).await;
    let answer = save(&mut window, "third").await;
    assert_ne!(session_id(&answer), second, "{answer}");
}

#[test]
fn steps_are_read_from_a_text() {
    let text = "close it, or `shim sessions restore 7 --take-over`; then shim_check_recovery action=restore \
                session_id=7. shim_session_status view=sessions lists them";
    let words = ["sessions", "restore", "7", "--take-over"].map(str::to_owned);
    let call = |tool: &str, arguments| Step::Call(tool.into(), arguments);
    assert_eq!(
        steps(text),
        [
            Step::Command(words.to_vec()),
            call(RECOVER, json!({"action": "restore", "session_id": "7"})),
            call("shim_session_status", json!({"view": "sessions"})),
        ]
    );
}
