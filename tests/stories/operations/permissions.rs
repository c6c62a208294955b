//! Claude Code's permission for SHIM's tools: offered, shown, and taken back.

use serde_json::{Value, json};
use shim_tests::temp_env::TempEnv;

use super::{command, ended, run, shim};

/// The status line is told of elsewhere.
const INSTALL: [&str; 3] = ["install", "claude-code", "--no-status-line"];
const SETTINGS: &str = "{\n  \"model\": \"opus\",\n  \"permissions\": {\n    \"allow\": [\n      \"Bash(ls)\"\n    ]\n  }\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_permission_is_offered_shown_and_taken_back() {
    let temp = TempEnv::new();
    let settings = temp.root().join(".claude/settings.json");
    std::fs::create_dir(temp.root().join(".claude")).unwrap();
    std::fs::write(&settings, SETTINGS).unwrap();
    let read = || std::fs::read_to_string(&settings).unwrap();

    let offered = shim(&temp, &INSTALL).await;
    assert!(
        offered.contains("--allow-tools") && offered.contains("mcp__plugin_shim_shim"),
        "{offered}"
    );
    assert_eq!(read(), SETTINGS, "nobody was asked, so nothing is allowed");
    shim(&temp, &[&INSTALL[..], &["--no-allow-tools"]].concat()).await;
    assert_eq!(read(), SETTINGS);

    let allowed = shim(&temp, &[&INSTALL[..], &["--allow-tools"]].concat()).await;
    assert!(
        allowed.contains("+       \"mcp__plugin_shim_shim\""),
        "{allowed}"
    );
    let rules: Value = serde_json::from_str(&read()).unwrap();
    assert_eq!(
        rules["permissions"]["allow"],
        json!(["Bash(ls)", "mcp__plugin_shim_shim"])
    );
    let again = shim(&temp, &[&INSTALL[..], &["--allow-tools"]].concat()).await;
    assert!(again.contains("allowed already"), "{again}");

    let gone = shim(&temp, &["uninstall", "claude-code"]).await;
    assert!(gone.contains("is disconnected"), "{gone}");
    assert_eq!(read(), SETTINGS, "every byte as it was");
    let twice = shim(&temp, &["uninstall", "claude-code"]).await;
    assert!(twice.contains("is not connected"), "{twice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_said_and_a_broken_file_keeps_all_files_as_they_are() {
    let temp = TempEnv::new();
    let (client, settings) = (
        temp.root().join(".claude/skills"),
        temp.root().join(".claude/settings.json"),
    );
    std::fs::create_dir(temp.root().join(".claude")).unwrap();
    let install = [&INSTALL[..], &["--allow-tools"]].concat();
    std::fs::write(&settings, "{\"permissions\": ").unwrap();
    let refused = run(&temp, &install).await;
    assert!(
        !refused.is_success && refused.text.contains("settings.json"),
        "{}",
        refused.text
    );
    assert!(!client.exists(), "nothing is written before all is checked");

    let denied = "{\"permissions\": {\"deny\": [\"mcp__plugin_shim_shim__*\"]}}";
    std::fs::write(&settings, denied).unwrap();
    let said = shim(&temp, &install).await;
    assert!(
        said.contains("has the plugin") && said.contains("not allowed: permissions.deny"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), denied);

    let allowed = "{\"permissions\": {\"allow\": [\"mcp__plugin_shim_shim__*\"]}}";
    std::fs::write(&settings, allowed).unwrap();
    let said = shim(&temp, &install).await;
    assert!(said.contains("allowed already"), "{said}");
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_folder_with_a_tilde_is_the_clients_and_surely_not_meant() {
    let temp = TempEnv::new();
    let mut install = command(&temp, &["install", "claude-code", "--no-allow-tools"]);
    let said = ended(install.env("CLAUDE_CONFIG_DIR", "~/cc2")).await;
    assert!(
        said.is_success && said.text.contains("write $HOME"),
        "{}",
        said.text
    );
    assert!(temp.project().join("~/cc2/skills/shim/.mcp.json").is_file());
}
