//! Going back to a backup while a window is open: nobody starts the stack in between, and what is gone is named.

use std::path::Path;

use serde_json::{Value, json};
use shim_runtime::stack::StackState;
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

/// The notices of an answer of this kind.
fn notices(answer: &Value, kind: &str) -> Vec<String> {
    let notices = answer["notices"].as_array().into_iter().flatten();
    let of_kind = notices.filter(|notice| notice["kind"] == kind);
    of_kind
        .map(|notice| notice["text"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_told_from_where_to_where_its_session_went_back() {
    let temp = TempEnv::new();
    up(&temp).await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    saves(&mut window, "one").await;
    shim(&temp, &["sessions", "backup", "backup.db"]).await;
    saves(&mut window, "two").await;
    saves(&mut window, "three").await;
    shim(&temp, &["sessions", "restore-backup", "backup.db"]).await;

    let saved = tool_output(
        window
            .call("shim_auto_checkpoint", save("on it goes"))
            .await,
    );
    assert_eq!(saved["checkpoint"]["number"], 2, "{saved}");
    let [told] = notices(&saved, "rolled_back").try_into().unwrap();
    assert!(told.contains("from checkpoint 3 to 1"), "{told}");
    let saved = tool_output(window.call("shim_auto_checkpoint", save("and on")).await);
    assert!(
        notices(&saved, "rolled_back").is_empty(),
        "it is told once: {saved}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_the_backup_does_not_know_goes_on_in_a_new_session() {
    let temp = TempEnv::new();
    up(&temp).await;
    shim(&temp, &["sessions", "backup", "backup.db"]).await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let first = tool_output(
        window
            .call("shim_auto_checkpoint", save("after the backup"))
            .await,
    );
    let own = first["session_id"].clone();
    shim(&temp, &["sessions", "restore-backup", "backup.db"]).await;

    // By name, as a client that heeds the answer before does.
    let by_name = |task: &str| {
        let mut arguments = save(task);
        arguments["session_id"] = own.clone();
        arguments
    };
    let saved = tool_output(
        window
            .call("shim_auto_checkpoint", by_name("on it goes"))
            .await,
    );
    assert_ne!(saved["session_id"], own, "{saved}");
    assert_eq!(saved["checkpoint"]["number"], 1, "{saved}");
    let [told] = notices(&saved, "session_missing").try_into().unwrap();
    assert!(told.contains(own.as_str().unwrap()), "{told}");
    let again = tool_output(window.call("shim_auto_checkpoint", by_name("and on")).await);
    assert_eq!(again["session_id"], saved["session_id"], "{again}");
    assert_eq!(again["checkpoint"]["number"], 2, "{again}");
}

fn stack_pid(temp: &TempEnv) -> u32 {
    match temp.stack().state() {
        StackState::Running(info) => info.pid,
        other => panic!("no stack runs: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_is_refused_before_the_stack_is_touched() {
    let temp = TempEnv::new();
    up(&temp).await;
    shim(&temp, &["sessions", "backup", "whole.db"]).await;
    let pid = stack_pid(&temp);
    let project = temp.project();
    let whole = std::fs::read(project.join("whole.db")).unwrap();
    std::fs::write(project.join("text"), "no database".repeat(500)).unwrap();
    std::fs::write(project.join("empty"), "").unwrap();
    std::fs::write(project.join("truncated"), &whole[..whole.len() / 2]).unwrap();
    let mut damaged = whole.clone();
    damaged[3 * 4096..8 * 4096].fill(0xA5);
    std::fs::write(project.join("damaged"), damaged).unwrap();
    std::fs::create_dir(project.join("folder")).unwrap();
    for (name, sql) in [
        ("foreign", "CREATE TABLE songs (title TEXT)"),
        ("newer", "PRAGMA user_version = 99"),
    ] {
        let db = rusqlite::Connection::open(project.join(name)).unwrap();
        db.execute_batch(sql).unwrap();
    }
    for name in [
        "no-such-file",
        "text",
        "empty",
        "truncated",
        "damaged",
        "folder",
        "foreign",
        "newer",
    ] {
        let refused = run(&temp, &["sessions", "restore-backup", name]).await;
        let text = &refused.text;
        assert!(!refused.is_success && text.contains(name), "{name}: {text}");
        assert!(text.contains("the database is as it was"), "{name}: {text}");
        assert!(text.contains("shim sessions backup FILE"), "{name}: {text}");
        assert!(!text.contains("stopped"), "{name}: {text}");
        assert_eq!(stack_pid(&temp), pid, "{name}");
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_the_evolutions_too() {
    let temp = TempEnv::new();
    up(&temp).await;
    shim(&temp, &["sessions", "backup", "backup.db"]).await;
    // What is there already is not written over, neither of the two.
    let of_sessions = temp.project().join("backup.db");
    std::fs::rename(&of_sessions, temp.project().join("moved.db")).unwrap();
    let again = run(&temp, &["sessions", "backup", "backup.db"]).await;
    assert!(
        !again.is_success && again.text.contains("backup.db.evolutions exists already"),
        "{}",
        again.text
    );
    assert!(!of_sessions.exists());
    std::fs::rename(temp.project().join("moved.db"), &of_sessions).unwrap();

    let doctor = run(&temp, &["doctor"]).await.text;
    assert!(
        doctor.contains("evolutions       the database is intact"),
        "{doctor}"
    );
    let told = shim(&temp, &["sessions", "restore-backup", "backup.db"]).await;
    assert!(told.contains("restored the evolutions from"), "{told}");
    let kept = std::fs::read_dir(temp.data_dir()).unwrap();
    let kept = kept.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
    let is_kept = |name: &String| name.starts_with("evolutions.before-restore-");
    assert_eq!(kept.filter(is_kept).count(), 1, "{told}");
}
