//! `shim install claude-code` and `shim uninstall claude-code`.

use std::os::unix::fs::symlink;

use serde_json::json;
use shim_tests::binary;

use super::{Home, ended, tree};

const PLUGIN: &str = ".claude/skills/shim";
/// Crowded, in an order of its own, with a status line that has quotes of both kinds.
const SETTINGS: &str = r#"{ "model":"opus", "statusLine" : {"type":"command","command": "jq -r '\"[\\(.model.id)]\"' | tr a-z A-Z # it's mine","padding":0},"env":{"A":"1.50"} }"#;
const SERVERS: &str = r#"{"numStartups": 3, "mcpServers": {"shim": {"command": "/old/shim", "args": ["gateway"], "env": {"SHIM_LOG_FILTER": "debug"}}, "other": {"command": "x"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn one_command_puts_the_plugin_in_place_and_one_gives_all_of_it_back() {
    let home = Home::new();
    home.write(".claude/settings.json", SETTINGS);
    home.write(".claude.json", SERVERS);
    home.write(".claude/skills/mine/SKILL.md", "mine");
    let said = home
        .shim(&["install", "claude-code", "--allow-tools"])
        .await;
    assert!(said.contains("Claude Code has the plugin"), "{said}");

    let program = binary::shim().canonicalize().unwrap();
    let hooks = home.json(&format!("{PLUGIN}/hooks/hooks.json"));
    for event in [
        "SessionStart",
        "PreToolUse",
        "StopFailure",
        "CwdChanged",
        "SessionEnd",
    ] {
        let hook = &hooks["hooks"][event][0]["hooks"][0];
        let called = hook["command"].as_str().unwrap();
        assert_eq!(
            std::path::Path::new(called).canonicalize().unwrap(),
            program
        );
        assert_eq!(hook["args"], json!(["hook"]), "{event}");
    }
    let server = home.json(&format!("{PLUGIN}/.mcp.json"))["mcpServers"]["shim"].clone();
    assert_eq!(server["args"], json!(["gateway"]));
    assert_eq!(
        server["env"],
        json!({"SHIM_LOG_FILTER": "debug"}),
        "what a person added stays"
    );
    let servers = home.json(".claude.json");
    assert_eq!(
        servers["mcpServers"],
        json!({"other": {"command": "x"}}),
        "no second gateway"
    );
    let settings = home.json(".claude/settings.json");
    assert_eq!(
        settings["permissions"]["allow"],
        json!(["mcp__plugin_shim_shim"])
    );
    let line = settings["statusLine"]["command"].as_str().unwrap();
    assert!(
        line.contains(" statusline --wrap ") && settings["statusLine"]["padding"] == 0,
        "{line}"
    );

    let before = tree(home.temp.root());
    let again = home
        .shim(&["install", "claude-code", "--allow-tools"])
        .await;
    assert!(again.contains("has the plugin already"), "{again}");
    assert!(tree(home.temp.root()) == before, "twice is once: {again}");

    let gone = home.shim(&["uninstall", "claude-code"]).await;
    assert!(gone.contains("is disconnected"), "{gone}");
    assert_eq!(home.read(".claude/settings.json"), SETTINGS, "every byte");
    assert!(!home.path(PLUGIN).exists());
    assert_eq!(home.read(".claude/skills/mine/SKILL.md"), "mine");
    assert_eq!(
        home.json(".claude.json")["mcpServers"],
        json!({"other": {"command": "x"}})
    );
    let twice = home.shim(&["uninstall", "claude-code"]).await;
    assert!(twice.contains("is not connected"), "{twice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_were_not_there_go_and_what_others_wrote_since_stays() {
    let home = Home::new();
    home.shim(&["install", "claude-code", "--no-allow-tools"])
        .await;
    assert_eq!(
        home.json(".claude/settings.json")["statusLine"]["type"],
        "command"
    );
    home.shim(&["uninstall", "claude-code"]).await;
    assert!(!home.path(".claude/settings.json").exists() && !home.path(".claude/skills").exists());

    home.write(".claude/settings.json", SETTINGS);
    home.shim(&["install", "claude-code", "--no-allow-tools"])
        .await;
    let changed = home.read(".claude/settings.json").replace("opus", "haiku");
    home.write(".claude/settings.json", &changed);
    // A second installation after it knows no more than the first what the file would be without SHIM.
    home.shim(&["install", "claude-code", "--allow-tools"])
        .await;
    home.shim(&["uninstall", "claude-code"]).await;
    let left = home.json(".claude/settings.json");
    let mut expected: serde_json::Value = serde_json::from_str(SETTINGS).unwrap();
    expected["model"] = json!("haiku");
    assert_eq!(left, expected);
    assert!(
        home.read(".claude/settings.json")
            .contains(r#""env":{"A":"1.50"}"#)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_own_folder_and_a_path_that_stays_are_used() {
    let home = Home::new().with("CLAUDE_CONFIG_DIR", "");
    let (config, bin) = (home.path("cc"), home.path("bin"));
    std::fs::create_dir(&bin).unwrap();
    symlink(binary::shim(), bin.join("shim")).unwrap();
    let mut install = home.command(
        &bin.join("shim"),
        &["install", "claude-code", "--no-allow-tools"],
    );
    let said = ended(install.env("CLAUDE_CONFIG_DIR", &config), "").await;
    assert!(said.is_success, "{}", said.all());
    let hooks = home.json("cc/skills/shim/hooks/hooks.json");
    let called = hooks["hooks"]["Stop"][0]["hooks"][0]["command"]
        .as_str()
        .unwrap();
    assert_eq!(
        called,
        bin.join("shim").to_str().unwrap(),
        "the link, not the version behind it"
    );
    assert!(home.path("cc/settings.json").is_file() && !home.path(".claude").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_project_shares_holds_on_every_machine() {
    let home = Home::new();
    home.write(
        "project/.mcp.json",
        r#"{"mcpServers": {"shim": {"command": "/old/shim", "args": ["gateway"]}, "x": {"command": "y"}}}"#,
    );
    let said = home
        .shim(&["install", "claude-code", "--project", "--no-allow-tools"])
        .await;
    assert!(said.contains("trusts the folder"), "{said}");
    let shared = tree(&home.path("project"));
    let root = home.temp.root().display().to_string();
    let program = binary::shim().display().to_string();
    for (path, text) in shared
        .iter()
        .filter(|(path, _)| !path.contains(".before-shim-"))
    {
        assert!(
            !text.contains(&root) && !text.contains(&program),
            "{path}: {text}"
        );
        assert!(
            !text.contains("/old/shim") && !path.contains("installed.json"),
            "{path}"
        );
    }
    let server = &home.json(&format!("project/{PLUGIN}/.mcp.json"))["mcpServers"]["shim"];
    assert_eq!(*server, json!({"command": "shim", "args": ["gateway"]}));
    assert!(!home.path(".claude").exists() && !home.path(".claude.json").exists());
    // Who has no shim is not told so at each event.
    let hooks = home.json(&format!("project/{PLUGIN}/hooks/hooks.json"));
    let hook = hooks["hooks"]["Stop"][0]["hooks"][0]["command"]
        .as_str()
        .unwrap();
    let mut without = home.command("/bin/sh".as_ref(), &["-c", hook]);
    let said = ended(without.env("PATH", "/nowhere"), "{}").await;
    assert!(said.is_success && said.all().is_empty(), "{}", said.all());
    home.shim(&["uninstall", "claude-code", "--project"]).await;
    assert!(!home.path(&format!("project/{PLUGIN}")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_alone_takes_the_place_of_the_plugin_and_nothing_is_written_to_print() {
    let home = Home::new();
    let printed = home.shim(&["install", "claude-code", "--print"]).await;
    for part in [
        "hooks/hooks.json",
        "SessionEnd",
        "statusline",
        "\"gateway\"",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!home.path(".claude").exists());
    home.write(".claude/settings.json", SETTINGS);
    home.shim(&["install", "claude-code", "--allow-tools"])
        .await;
    let said = home
        .shim(&["install", "claude-code", "--mcp-only", "--allow-tools"])
        .await;
    assert!(said.contains("Claude Code is connected"), "{said}");
    assert!(!home.path(PLUGIN).exists(), "{said}");
    let settings = home.json(".claude/settings.json");
    assert_eq!(settings["permissions"]["allow"], json!(["mcp__shim"]));
    let line = settings["statusLine"]["command"].as_str().unwrap();
    assert!(line.starts_with("jq "), "{line}");
    assert_eq!(
        home.json(".claude.json")["mcpServers"]["shim"]["args"],
        json!(["gateway"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_keeps_all_files_as_they_are() {
    let home = Home::new();
    for (broken, file) in [
        ("{\"statusLine\": ", ".claude/settings.json"),
        ("[]", ".claude.json"),
    ] {
        home.write(file, broken);
        let before = tree(home.temp.root());
        let refused = home.run(&["install", "claude-code", "--allow-tools"]).await;
        assert!(
            !refused.is_success && refused.all().contains("nothing was written"),
            "{}",
            refused.all()
        );
        assert!(tree(home.temp.root()) == before);
        std::fs::remove_file(home.path(file)).unwrap();
    }
}
