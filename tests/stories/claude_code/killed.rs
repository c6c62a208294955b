//! Sessions that save themselves: the model calls no tool of SHIM's, and its work is known and brought back all the same.

use std::time::Duration;

use nix::sys::stat::Mode;
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::SessionStatus;
use shim_tests::claude::{WindowKind, shell, text, tool, write};
use shim_tests::process;

use super::observed_stack::ObservedStack;

const PROMPT: &str = "Write the chapter on harbours";
/// The prefix of the plugin's tools.
const RECOVERY: &str = "mcp__plugin_shim_shim__shim_check_recovery";

#[tokio::test]
async fn a_session_is_saved_without_a_call_of_its_model() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let window = stack.window("w", WindowKind::Headless);
    let file = stack.project().join("harbours.md");
    let script = [
        write(&file, "# Harbours\n"),
        text("The chapter is written."),
    ];
    stack.lab.script(window.key(), &script).await;
    let result = window.run(&mut stack.lab, PROMPT).await;
    assert_eq!(result["result"], "The chapter is written.");
    let turn = stack.lab.turn(window.key()).await;
    let session = stack.session(&turn, SessionStatus::Ended).await;
    assert!(session.head_number >= 1, "{session:?}");
    let observed = stack.observer.observed(&session.id).await;
    assert_eq!(observed.last_prompt, PROMPT);
    assert_eq!(observed.last_answer, "The chapter is written.");
    let files: Vec<_> = observed.edited_files.iter().map(|it| &*it.path).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].ends_with("harbours.md"), "{files:?}");
    assert!(observed.open_tool_calls.is_empty() && !observed.is_in_turn);
    let offered = stack.offered().await;
    assert!(offered.is_empty(), "it ended in good order: {offered:?}");
}

#[tokio::test]
async fn a_session_that_is_killed_in_a_call_tells_the_next_window_and_comes_back() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let first = stack.window("w", WindowKind::Headless);
    let file = stack.project().join("harbours.md");
    let forever = stack.project().join("forever");
    nix::unistd::mkfifo(&forever, Mode::S_IRWXU).unwrap();
    let script = [
        write(&file, "# Harbours\n"),
        shell("make tide-tables; read line < forever"),
    ];
    stack.lab.script(first.key(), &script).await;
    let pid = first.start(&mut stack.lab, PROMPT).await;
    while process::relative(pid, "make tide-tables").is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    first.kill(&mut stack.lab, pid).await;
    let turn = stack.lab.turn(first.key()).await;
    let session = stack.session(&turn, SessionStatus::Interrupted).await;
    let offered = stack.offered().await;
    assert_eq!(offered.len(), 1, "{offered:?}");

    let second = stack.window("x", WindowKind::Headless);
    let script = [
        tool(
            RECOVERY,
            &json!({"action": "restore", "session_id": session.id}),
        ),
        text("back at work"),
    ];
    stack.lab.script(second.key(), &script).await;
    second.run(&mut stack.lab, "Go on").await;
    let told = stack.lab.turn(second.key()).await["messages"].to_string();
    for fact in [PROMPT, "make tide-tables", "shim_check_recovery"] {
        assert!(told.contains(fact), "{fact}: {told}");
    }
    let restored = stack.lab.turn(second.key()).await["messages"].to_string();
    for fact in ["harbours.md", "make tide-tables"] {
        assert!(restored.contains(fact), "{fact}: {restored}");
    }
    let back = stack.observer.sessions().await;
    let back = back.iter().find(|it| it.id == session.id).unwrap();
    assert_eq!(back.restore_count, 1, "{back:?}");
}

#[tokio::test]
async fn a_background_session_that_its_daemon_starts_again_is_offered_to_nobody() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let window = stack.window("w", WindowKind::Headless);
    let script = [text("idle now"), text("after the restart")];
    stack.lab.script(window.key(), &script).await;
    let arguments = ["--dangerously-skip-permissions", "--bg", PROMPT];
    window.command(&mut stack.lab, &arguments).await;
    let turn = stack.lab.turn(window.key()).await;
    stack.session(&turn, SessionStatus::Active).await;
    let conversation = turn["conversation"].as_str().unwrap();
    let first = live_pid(&mut stack, &window, conversation, 0).await;
    process::signal(first, nix::sys::signal::Signal::SIGKILL);
    let second = live_pid(&mut stack, &window, conversation, first).await;
    assert_ne!(first, second);
    // Its start is told by the hook a moment later.
    let session = loop {
        let session = stack.session(&turn, SessionStatus::Active).await;
        let process = session.client.as_ref().and_then(|it| it.client_process);
        if process.is_some_and(|it| it.pid == second) {
            break session;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let offered = stack.offered().await;
    assert!(offered.is_empty(), "{session:?} {offered:?}");
}

/// The process of a background session that is another one than `before`.
async fn live_pid(
    stack: &mut ObservedStack,
    window: &shim_tests::claude::Window,
    conversation: &str,
    before: u32,
) -> u32 {
    loop {
        let listed = window.command(&mut stack.lab, &["agents", "--json"]).await;
        let listed: Value = serde_json::from_str(&listed.join("\n")).unwrap_or_default();
        let sessions = listed.as_array().into_iter().flatten();
        let mut pids = sessions
            .filter(|it| it["sessionId"] == conversation)
            .filter_map(|it| it["pid"].as_u64());
        if let Some(pid) = pids.find(|pid| *pid != u64::from(before)) {
            return u32::try_from(pid).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
