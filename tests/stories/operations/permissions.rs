//! Claude Code's permission for SHIM's tools: offered, shown, and taken back.

use serde_json::{Value, json};
use shim_tests::temp_env::TempEnv;

use super::shim;

const SETTINGS: &str = "{\n  \"model\": \"opus\",\n  \"permissions\": {\n    \"allow\": [\n      \"Bash(ls)\"\n    ]\n  }\n}\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_permission_is_offered_shown_and_taken_back() {
    let temp = TempEnv::new();
    let settings = temp.root().join(".claude/settings.json");
    std::fs::create_dir(temp.root().join(".claude")).unwrap();
    std::fs::write(&settings, SETTINGS).unwrap();
    let read = || std::fs::read_to_string(&settings).unwrap();

    let offered = shim(&temp, &["install", "claude-code"]).await;
    assert!(
        offered.contains("--allow-tools") && offered.contains("mcp__shim"),
        "{offered}"
    );
    assert_eq!(read(), SETTINGS, "nobody was asked, so nothing is allowed");
    shim(&temp, &["install", "claude-code", "--no-allow-tools"]).await;
    assert_eq!(read(), SETTINGS);

    let allowed = shim(&temp, &["install", "claude-code", "--allow-tools"]).await;
    assert!(allowed.contains("+       \"mcp__shim\""), "{allowed}");
    let rules: Value = serde_json::from_str(&read()).unwrap();
    assert_eq!(
        rules["permissions"]["allow"],
        json!(["Bash(ls)", "mcp__shim"])
    );
    let again = shim(&temp, &["install", "claude-code", "--allow-tools"]).await;
    assert!(again.contains("allowed already"), "{again}");

    let gone = shim(&temp, &["uninstall", "claude-code"]).await;
    assert!(gone.contains("is disconnected"), "{gone}");
    assert_eq!(read(), SETTINGS, "every byte as it was");
    let client: Value =
        serde_json::from_str(&std::fs::read_to_string(temp.root().join(".claude.json")).unwrap())
            .unwrap();
    assert_eq!(client["mcpServers"], json!({}));
    let twice = shim(&temp, &["uninstall", "claude-code"]).await;
    assert!(twice.contains("is not connected"), "{twice}");
}
