//! One session, several tasks: a step comes again, a subagent saves beside the main work, files are left out and changed,
//! and what was open comes back after all of it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::temp_env::TempEnv;

const SAVE: &str = "shim_auto_checkpoint";
const RECOVER: &str = "shim_check_recovery";

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments);
    assert!(
        command.output().unwrap().status.success(),
        "git {arguments:?}"
    );
}

/// The text and the facts of an answer.
async fn call(gateway: &mut Gateway, tool: &str, arguments: Value) -> (String, Value) {
    let answer = gateway.call(tool, arguments).await;
    let text = answer["content"][0]["text"].as_str().unwrap().to_owned();
    (text, tool_output(answer))
}

/// The main work, its step that comes again, and a subagent that saves its own task as done. Returns the session's id.
async fn work(gateway: &mut Gateway) -> String {
    let first = json!({
        "current_task": "release 1.2", "progress": 0.3, "decisions": ["ship on Friday", "keep the old API"],
        "active_files": ["parser.rs"], "completed_steps": ["run the tests"], "next_steps": ["gather"],
    });
    call(gateway, SAVE, first).await;
    let again = json!({
        "current_task": "Release 1.2.", "progress": 0.4, "next_steps": ["fix grammar", "run the tests"],
        "retracted_decisions": ["ship on Friday"], "dropped_steps": ["gather"],
    });
    let (text, saved) = call(gateway, SAVE, again).await;
    assert!(text.contains("2 next step(s)"), "{text}");
    assert!(text.contains("Open again: \"run the tests\""), "{text}");
    let kept = &saved["kept"];
    assert_eq!(
        (&kept["open_steps"], &kept["decisions"]),
        (&json!(2), &json!(1)),
        "{saved}"
    );
    assert_eq!(
        saved["changed"]["dropped_steps"],
        json!(["gather"]),
        "{saved}"
    );
    assert_eq!(
        saved["changed"]["retracted_decisions"],
        json!(["ship on Friday"]),
        "{saved}"
    );

    let subagent = json!({"current_task": "check the links", "progress": 1.0, "completed_steps": ["links checked"]});
    let (text, saved) = call(gateway, SAVE, subagent).await;
    assert!(
        text.contains("\"Release 1.2.\"") && text.contains("session_id \"new\""),
        "{text}"
    );
    assert_eq!(saved["task"]["relation"], "new", "{saved}");
    assert_eq!(saved["left_task"]["is_open"], json!(true), "{saved}");
    assert_eq!(saved.get("carried_over"), None, "{saved}");
    assert!(saved["begin_anew"].is_string(), "{saved}");
    saved["session_id"].as_str().unwrap().to_owned()
}

/// Asks until the session is offered.
async fn candidate(gateway: &mut Gateway, session_id: &str) -> (String, Value) {
    for _ in 0..200 {
        let (text, found) = call(gateway, RECOVER, json!({})).await;
        let candidates = found["candidates"].as_array().unwrap();
        if let Some(found) = candidates
            .iter()
            .find(|found| found["session_id"] == session_id)
        {
            return (text, found.clone());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("session {session_id} is not offered");
}

#[tokio::test]
async fn work_that_a_subagent_saved_beside_comes_back_with_its_steps() {
    let temp = TempEnv::new();
    let project = temp.project();
    std::fs::write(project.join("parser.rs"), "fn parse() {}\n").unwrap();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "begin"]);
    let launch = GatewayLaunch::new(&temp.data_dir(), &project);
    let mut gateway = launch.open().await;
    let session_id = work(&mut gateway).await;
    gateway.kill().await;
    std::fs::write(project.join("parser.rs"), "fn parse() { /* since */ }\n").unwrap();

    let mut gateway = launch.open().await;
    let (text, found) = candidate(&mut gateway, &session_id).await;
    assert!(text.contains("Release 1.2. (40 % done; killed"), "{text}");
    assert!(text.contains("confidence high"), "{text}");
    assert_eq!(
        found["next_steps"],
        json!(["fix grammar", "run the tests"]),
        "{found}"
    );
    assert_eq!(found.get("other_tasks"), None, "{found}");

    let restore = json!({"action": "restore", "session_id": session_id});
    let (prompt, restored) = call(&mut gateway, RECOVER, restore).await;
    for part in [
        "Task: Release 1.2.",
        "## Decisions taken\n- keep the old API",
        "## Open steps, in order\n- fix grammar\n- run the tests",
        "parser.rs: CHANGED",
        "work tree: CHANGED (had no uncommitted change, has 1 uncommitted change(s): parser.rs)",
    ] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
    for gone in [
        "Everything checked",
        "Finished (do not repeat)",
        "ship on Friday",
        "- gather",
    ] {
        assert!(!prompt.contains(gone), "{gone}: {prompt}");
    }
    assert_eq!(
        restored["resume_prompt"].as_str().unwrap().len(),
        prompt.find("\nNext: ").unwrap()
    );

    let done = json!({"current_task": "Release 1.2", "progress": 1.0});
    let (text, saved) = call(&mut gateway, SAVE, done).await;
    assert!(text.contains("Left open at the end"), "{text}");
    assert_eq!(saved.get("open_tasks"), None, "{saved}");
    gateway.kill().await;
    let mut gateway = launch.open().await;
    for _ in 0..3 {
        let (_, found) = call(&mut gateway, RECOVER, json!({})).await;
        assert_eq!(found["candidates"], json!([]), "it is done: {found}");
    }
}
