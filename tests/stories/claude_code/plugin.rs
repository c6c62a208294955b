//! The plugin as `shim install` writes it, in the real client: found, valid, its hooks run, its server connected and allowed.

use std::process::Stdio;

use serde_json::{Value, json};
use shim_tests::binary;
use shim_tests::claude::{ClaudeLab, Window, WindowKind, text, tool, write};
use shim_tests::temp_env::TempEnv;
use tokio::process::Command;

/// A window whose client has the plugin, and asks for permissions as it does for everybody.
async fn window_with_plugin(lab: &ClaudeLab, temp: &TempEnv, arguments: &[&str]) -> Window {
    let data_dir = temp.data_dir().display().to_string();
    let window = Window::new(lab, "w", WindowKind::Headless, &temp.project());
    let window = window.asking().env("SHIM_DATA_DIR", &data_dir);
    let mut install = Command::new(binary::shim());
    install
        .args(["install", "claude-code"])
        .args(arguments)
        .current_dir(temp.project())
        .env_clear()
        .envs(window.environment())
        .stdin(Stdio::null());
    let output = install.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("has the plugin"),
        "{said}"
    );
    window
}

#[tokio::test]
async fn the_client_finds_the_plugin_and_calls_its_hooks_and_its_server() {
    let temp = TempEnv::new();
    let Some(mut lab) = ClaudeLab::open(temp.root()).await else {
        return;
    };
    let window = window_with_plugin(&lab, &temp, &["--allow-tools"]).await;
    let folder = window.config().join("skills/shim").display().to_string();
    let validated = window
        .command(&mut lab, &["plugin", "validate", "--strict", &folder])
        .await;
    let validated = validated.join("\n");
    assert!(validated.contains("Validation passed"), "{validated}");
    for command in ["shim:resume", "shim:status", "shim:work"] {
        assert!(validated.contains(command), "{command}: {validated}");
    }

    let saved = tool(
        "mcp__plugin_shim_shim__shim_auto_checkpoint",
        &json!({"current_task": "mend the limiter", "progress": 0.5}),
    );
    lab.script(window.key(), &[saved, text("saved")]).await;
    let result = window.run(&mut lab, "mend it").await;
    assert_eq!(result["result"], "saved", "{result}");
    assert_eq!(result["permission_denials"], json!([]), "{result}");
    lab.turn(window.key()).await;
    let answered = lab.turn(window.key()).await["messages"].to_string();
    assert!(answered.contains("checkpoint_id"), "{answered}");

    // Hooks told what happened: to the stack, or to the spool while none was up.
    let sessions = shim(&temp, &["sessions", "list", "--json"]).await;
    let sessions: Value = serde_json::from_str(&sessions).unwrap();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(
        sessions.len(),
        1,
        "hooks and server tell of one session: {sessions:?}"
    );
    assert_eq!(
        sessions[0]["client"]["conversation"], result["session_id"],
        "{sessions:?}"
    );
}

#[tokio::test]
async fn a_write_to_a_leased_file_is_denied_and_the_model_is_told_why() {
    let temp = TempEnv::new();
    let Some(mut lab) = ClaudeLab::open(temp.root()).await else {
        return;
    };
    let window = window_with_plugin(&lab, &temp, &["--no-allow-tools"]).await;
    let window = window.args(&["--allowedTools", "Write"]);
    std::fs::create_dir(temp.project().join(".git")).unwrap();
    shim(&temp, &["up", "--detach"]).await;
    let lease = [
        "files",
        "acquire",
        "--holder",
        "window-2",
        "--purpose",
        "rewrite",
        "a.txt",
    ];
    shim(&temp, &lease).await;
    let (leased, free) = (temp.project().join("a.txt"), temp.project().join("b.txt"));
    let script = [write(&leased, "one\n"), write(&free, "two\n"), text("done")];
    lab.script(window.key(), &script).await;
    let result = window.run(&mut lab, "write both").await;
    assert_eq!(result["result"], "done", "{result}");
    lab.turn(window.key()).await;
    let told = lab.turn(window.key()).await["messages"].to_string();
    for part in [
        "did not run",
        "Held by: window-2",
        "What for: rewrite",
        "What to do",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!leased.exists() && free.exists(), "{told}");
}

async fn shim(temp: &TempEnv, words: &[&str]) -> String {
    let mut command = Command::new(binary::shim());
    command
        .args(words)
        .current_dir(temp.project())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", temp.root())
        .env("SHIM_DATA_DIR", temp.data_dir())
        .stdin(Stdio::null());
    let output = command.output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
