//! Going back to a backup while a window is open: nobody starts the stack in between, and what is gone is named.

use std::path::Path;

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::temp_env::TempEnv;

use super::{command, run, shim, up, wait_until_said};

fn save(task: &str) -> Value {
    json!({"current_task": task, "progress": 0.3, "next_steps": ["go on"]})
}

async fn saves(window: &mut Gateway, task: &str) {
    let _saved = tool_output(window.call("shim_auto_checkpoint", save(task)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_beside_an_open_window() {
    let temp = TempEnv::new();
    up(&temp).await;
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut window = launch.open().await;
    saves(&mut window, "before").await;
    shim(&temp, &["sessions", "backup", "backup.db"]).await;
    saves(&mut window, "after").await;

    // The window goes on saving all the while, and starts the stack as soon as it may.
    let window = tokio::spawn(async move {
        for _ in 0..20 {
            saves(&mut window, "meanwhile").await;
        }
        window
    });
    let told = shim(&temp, &["sessions", "restore-backup", "backup.db"]).await;
    assert!(told.contains("the stack runs again"), "{told}");
    let mut window = window.await.unwrap();

    let listed = shim(&temp, &["sessions", "list"]).await;
    assert!(
        listed.contains("before-restore") && !listed.contains("missing"),
        "{listed}"
    );
    let verified = shim(&temp, &["sessions", "verify"]).await;
    assert!(verified.contains("what is here is intact"), "{verified}");
    let doctor = run(&temp, &["doctor"]).await.text;
    assert!(
        doctor.contains("before-restore") && doctor.contains("intact"),
        "{doctor}"
    );
    saves(&mut window, "on it goes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_is_refused_and_the_stack_goes_on() {
    let temp = TempEnv::new();
    up(&temp).await;
    let missing = run(&temp, &["sessions", "restore-backup", "no-such-file"]).await;
    assert!(
        !missing.is_success && missing.text.contains("no-such-file"),
        "{}",
        missing.text
    );
    std::fs::write(temp.project().join("text"), "no database".repeat(500)).unwrap();
    let text = run(&temp, &["sessions", "restore-backup", "text"]).await;
    assert!(
        !text.is_success && text.text.contains("no usable backup"),
        "{}",
        text.text
    );
    assert!(text.text.contains("the stack runs again"), "{}", text.text);
    assert!(run(&temp, &["status"]).await.is_success);
}

/// Makes a pipe on which a program can be kept waiting.
fn make_fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_folder_is_held_gateways_wait() {
    let temp = TempEnv::new();
    up(&temp).await;
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut window = launch.open().await;
    saves(&mut window, "before").await;
    let gate = temp.root().join("gate");
    make_fifo(&gate);
    let script = format!("cat '{}' >upgraded", gate.display());
    let mut holding = command(&temp, &["hold", "--", "sh", "-c", &script]);
    let holding = tokio::spawn(async move { super::ended(&mut holding).await });
    wait_until_said(&temp, &["status"], "held").await;

    let refused = run(&temp, &["up", "--detach"]).await;
    assert!(
        !refused.is_success && refused.text.contains("a command is run there: sh"),
        "{}",
        refused.text
    );
    let second = run(&temp, &["hold", "--", "true"]).await;
    assert!(
        !second.is_success && second.text.contains("hint: wait"),
        "{}",
        second.text
    );
    let waiting = tokio::spawn(async move {
        tool_output(window.call("shim_auto_checkpoint", save("meanwhile")).await)
    });
    // Opening a pipe waits for its reader, which is there: the command runs.
    tokio::task::spawn_blocking(move || std::fs::write(gate, "new").unwrap())
        .await
        .unwrap();
    let held = holding.await.unwrap();
    assert!(
        held.is_success && held.text.contains("the stack runs again"),
        "{}",
        held.text
    );
    let saved = waiting.await.unwrap();
    assert_eq!(saved["checkpoint"]["number"], 2, "{saved}");
    assert!(temp.project().join("upgraded").exists());
}
