//! `shim statusline`.

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_proto::checkpoint::v1::{
    CheckpointTrigger, ListSessionsRequest, ListSignalHistoryRequest,
};

use super::{CONVERSATION, Home};

/// The client's input, with so many tokens of a window of 1,000,000.
fn input(home: &Home, conversation: &str, tokens: u64) -> Vec<u8> {
    let usage = json!({"input_tokens": tokens, "output_tokens": 5, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0});
    let input = json!({"session_id": conversation, "cwd": home.temp.project(), "transcript_path": "/nowhere/t.jsonl",
        "model": {"id": "claude-opus-5-5"}, "cost": {"total_cost_usd": 0.5},
        "context_window": {"context_window_size": 1_000_000, "current_usage": usage}});
    input.to_string().into_bytes()
}

/// A prompt is given, as a hook tells it, so that the conversation has a session.
fn begin(home: &Home, conversation: &str) {
    let prompt = json!({"session_id": conversation, "cwd": home.temp.project(), "transcript_path": "/nowhere/t.jsonl",
        "hook_event_name": "UserPromptSubmit", "prompt_id": "p1", "prompt": "Fix the parser"});
    home.said(&["hook"], prompt.to_string().as_bytes());
}

#[test]
fn without_a_stack_nothing_is_said_and_what_was_there_before_still_is() {
    let home = Home::new();
    for input in [
        &b""[..],
        b"{",
        b"[]",
        b"{}",
        b"\xff\x00",
        &input(&home, CONVERSATION, 5),
    ] {
        assert_eq!(home.said(&["statusline"], input), "");
    }
    let wrap = ["statusline", "--wrap", "cat; exit 3"];
    assert_eq!(home.said(&wrap, b"{\"model\":1}"), "{\"model\":1}\n");
    assert_eq!(
        home.said(&["statusline", "--wrap", "/no/such/program"], b"{}"),
        ""
    );
    assert!(
        !home.temp.data_dir().join("shim.sock").exists(),
        "it starts no stack"
    );
    // A configuration that cannot be read is no reason to fail, and it is said: nothing is saved until it is mended.
    let broken = home.temp.root().join("broken.toml");
    std::fs::write(&broken, "no = [").unwrap();
    let mut command = home.command(&["statusline"]);
    let output = command
        .env("SHIM_CONFIG", broken)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = "shim not saving, its configuration is wrong: ";
    assert!(
        output.status.success() && said.starts_with(wrong) && said.contains("broken.toml"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_says_where_the_session_stands_by_the_window_that_is_known() {
    let home = Home::new();
    home.up();
    assert_eq!(
        home.said(&["statusline"], &input(&home, CONVERSATION, 5)),
        "",
        "it has no session yet"
    );
    begin(&home, CONVERSATION);
    let safe = home.said(&["statusline"], &input(&home, CONVERSATION, 160_000));
    assert!(
        safe.starts_with("shim ") && safe.contains("safe"),
        "160,000 of 1,000,000 is no warning: {safe}"
    );
    let other = "5d36536c-0000-4000-8000-00000000cafe";
    begin(&home, other);
    let danger = home.said(
        &["statusline", "--wrap", "echo mine"],
        &input(&home, other, 800_000),
    );
    assert!(danger.starts_with("mine\nshim saved "), "{danger}");
    assert!(
        danger.contains("danger: ") && danger.contains("context 0.80"),
        "{danger}"
    );
    // It was kept as a snapshot, and the danger saved what was known.
    let listed = CheckpointServiceClient::new(home.channel())
        .list_sessions(ListSessionsRequest::default())
        .await;
    let sessions = listed.unwrap().into_inner().sessions;
    let session = sessions
        .into_iter()
        .find(|session| session.client.as_ref().unwrap().conversation == other)
        .unwrap();
    let words = ["sessions", "show", &session.id, "--json"];
    let shown = home.said(&words, b"");
    let checkpoint: Value = serde_json::from_str(shown.lines().nth(1).unwrap()).unwrap();
    let trigger = checkpoint["checkpoint"]["trigger"].as_str().unwrap();
    assert_eq!(trigger, CheckpointTrigger::DangerZone.as_str_name());
    assert_eq!(checkpoint["state"]["currentTask"], "Fix the parser");
    let asked = ListSignalHistoryRequest {
        session_id: session.id,
        ..ListSignalHistoryRequest::default()
    };
    let history = SignalServiceClient::new(home.channel())
        .list_signal_history(asked)
        .await;
    let records = history.unwrap().into_inner().records;
    let signals = records[0].signals.unwrap();
    assert_eq!(
        (signals.estimated_tokens, signals.context_window),
        (Some(800_000), Some(1_000_000))
    );
    assert!(records[0].observed);
    // At most one snapshot is kept of each ten seconds.
    home.said(&["statusline"], &input(&home, other, 900_000));
    assert_eq!(records.len(), 1);
}
