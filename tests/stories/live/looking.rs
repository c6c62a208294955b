//! Whoever only looks changes nothing: the first cause of an interruption stays, and so does all else.

use serde_json::json;
use shim_proto::checkpoint::v1::{InterruptionCause, SessionStatus};
use shim_tests::mcp::GatewayLaunch;
use shim_tests::temp_env::TempEnv;

use super::{RECOVER, save, session, session_id, shim, until};

#[tokio::test]
async fn looking_at_a_killed_session_changes_nothing() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut killed = launch.open().await;
    let id = session_id(&save(&mut killed, "parse the grammar").await);
    save(&mut killed, "port the parser").await;
    killed.kill().await;
    let before = until(&temp, &id, SessionStatus::Interrupted).await;
    let interruption = before.interruption.clone().unwrap();
    assert_eq!(interruption.cause(), InterruptionCause::Killed);
    let short = &id[id.len() - 8..];
    let head = &before.head_checkpoint_id;
    let (first, second) = (format!("{id}:1"), format!("{short}:2"));
    let archive = temp.root().join("archive.jsonl").display().to_string();
    let copy = temp.root().join("copy.db").display().to_string();

    let commands: [&[&str]; 19] = [
        &["sessions", "list"],
        &["sessions", "list", "--status", "interrupted"],
        &["sessions", "show", &id],
        &["sessions", "show", short, "--checkpoint", "1"],
        &["sessions", "restore", &id],
        &["sessions", "restore", short, "--json"],
        &["sessions", "restore", &first],
        &["sessions", "restore", head],
        &["sessions", "restore", &head[head.len() - 8..]],
        &["sessions", "restore", &id, "--take-over"],
        &["sessions", "diff", &first, &second],
        &["sessions", "search", "grammar"],
        &["sessions", "verify"],
        &["sessions", "export", "--output", &archive],
        &["sessions", "backup", &copy],
        &["sessions", "prune", "--dry-run"],
        &["status"],
        &["tasks", "list"],
        &["files", "list"],
    ];
    for words in commands {
        let output = shim(&temp, words).await;
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert_eq!(session(&temp, &id).await, before, "{words:?}");
    }

    let mut reader = launch.open().await;
    let calls = [
        (RECOVER, json!({})),
        (RECOVER, json!({"action": "detect"})),
        ("shim_session_status", json!({"session_id": id})),
        ("shim_session_status", json!({"view": "sessions"})),
        (
            "shim_session_status",
            json!({"view": "search", "query": "grammar"}),
        ),
    ];
    for (tool, arguments) in calls {
        let answer = reader.call(tool, arguments.clone()).await;
        assert_ne!(answer["isError"], json!(true), "{answer}");
        assert_eq!(session(&temp, &id).await, before, "{tool} {arguments}");
    }
    let requests = [
        (
            "prompts/get",
            json!({"name": "resume", "arguments": {"session_id": id}}),
        ),
        ("prompts/get", json!({"name": "resume"})),
        (
            "resources/read",
            json!({"uri": format!("shim://sessions/{id}")}),
        ),
        (
            "resources/read",
            json!({"uri": format!("shim://checkpoints/{head}")}),
        ),
    ];
    for (method, params) in requests {
        reader.request(method, params.clone()).await.unwrap();
        assert_eq!(session(&temp, &id).await, before, "{method} {params}");
    }
}

#[tokio::test]
async fn what_is_printed_is_what_a_restore_answers() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut killed = launch.open().await;
    let id = session_id(&save(&mut killed, "port the parser").await);
    killed.kill().await;
    until(&temp, &id, SessionStatus::Interrupted).await;
    let looked = shim(&temp, &["sessions", "restore", &id]).await;
    let looked = String::from_utf8(looked.stdout).unwrap();
    let mut gateway = launch.open().await;
    let restore = json!({"action": "restore", "session_id": id});
    let restored = gateway.call(RECOVER, restore).await;
    let answer = restored["content"][0]["text"].as_str().unwrap();
    // The tool adds the next step and the session to its answer.
    let prompt = answer.split("\nNext: ").next().unwrap();
    // All but the age of the checkpoint.
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.contains("ago"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lines(looked.trim_end()), lines(prompt.trim_end()));
    assert!(looked.contains("port the parser"), "{looked}");
}
