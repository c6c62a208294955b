//! What `shim doctor` says of the plugin, and that its remedies work where they are printed.

use super::Home;

async fn doctor(home: &Home) -> String {
    home.run(&["doctor"]).await.all()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_plugin_from_working_is_told_with_its_remedy() {
    let home = Home::new();
    home.shim(&["install", "claude-code", "--allow-tools"])
        .await;
    let well = doctor(&home).await;
    assert!(
        well.contains("the plugin in") && well.contains("calls this program"),
        "{well}"
    );

    let settings = home.read(".claude/settings.json");
    let hooks = home.read(".claude/skills/shim/hooks/hooks.json");
    for (file, text, said) in [
        (
            "project/.claude/settings.json",
            "{\"disableAllHooks\": true}",
            "disableAllHooks of",
        ),
        (
            "project/.claude/settings.local.json",
            "{\"enabledPlugins\": {\"shim@skills-dir\": false}}",
            "`claude plugin enable shim@skills-dir`",
        ),
        (
            "project/.mcp.json",
            "{\"mcpServers\": {\"shim\": {\"command\": \"shim\"}}}",
            "a second gateway",
        ),
        (
            "project/.claude/settings.json",
            "{\"permissions\": {\"deny\": [\"mcp__plugin_shim_shim\"]}}",
            "permissions.deny",
        ),
    ] {
        home.write(file, text);
        let told = doctor(&home).await;
        assert!(told.contains(said), "{text}: {told}");
        std::fs::remove_file(home.path(file)).unwrap();
    }
    for (file, text, said) in [
        (
            ".claude/settings.json",
            "{}".to_owned(),
            "the status line is not SHIM's",
        ),
        (
            ".claude/skills/shim/hooks/hooks.json",
            hooks.replace("\"Stop\"", "\"Other\""),
            "no hook for Stop",
        ),
        (
            ".claude/skills/shim/hooks/hooks.json",
            "{".to_owned(),
            "is not valid JSON",
        ),
        (
            ".claude/skills/shim/README.md",
            "old".to_owned(),
            "another version",
        ),
    ] {
        home.write(file, &text);
        let told = doctor(&home).await;
        assert!(
            told.contains(said) && told.contains("shim install claude-code"),
            "{said}: {told}"
        );
        if text == "{" {
            std::fs::remove_file(home.path(file)).unwrap();
        }
        home.shim(&["install", "claude-code"]).await;
        let mended = doctor(&home).await;
        assert!(mended.contains("calls this program"), "{said}: {mended}");
    }
    assert_eq!(
        home.json(".claude/settings.json")["statusLine"],
        serde_json::from_str::<serde_json::Value>(&settings).unwrap()["statusLine"]
    );
}
