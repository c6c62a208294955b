//! What the plugin consists of: the files of its folder, as Claude Code reads them.

use serde_json::{Map, Value, json};

use super::call::Call;

/// The name of the plugin. Claude Code finds it in its folder of skills, so it is known as `shim@skills-dir`.
pub(crate) const PLUGIN: &str = "shim";
/// How the settings of Claude Code name it.
pub(crate) const PLUGIN_ID: &str = "shim@skills-dir";
/// Its server, as Claude Code lists it.
pub(crate) const PLUGIN_SERVER: &str = "plugin:shim:shim";

/// Where its hooks stand.
pub(crate) const HOOKS_FILE: &str = "hooks/hooks.json";
/// Where its server stands.
pub(crate) const SERVER_FILE: &str = ".mcp.json";
/// Tells Claude Code that the folder is a plugin.
pub(crate) const MANIFEST_FILE: &str = ".claude-plugin/plugin.json";

/// What Claude Code tells SHIM of.
pub(crate) const EVENTS: [&str; 13] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PreCompact",
    "PostCompact",
    "Stop",
    "StopFailure",
    "SubagentStart",
    "SubagentStop",
    "CwdChanged",
    "SessionEnd",
];

/// The files that hold the same everywhere.
const TEXTS: [(&str, &str); 4] = [
    ("README.md", include_str!("README.md")),
    ("commands/resume.md", include_str!("commands/resume.md")),
    ("commands/status.md", include_str!("commands/status.md")),
    ("commands/work.md", include_str!("commands/work.md")),
];

/// The files that only SHIM writes, by their paths in the plugin's folder. The server's file is not among them: a person may
/// add to its entry.
pub(super) fn files(call: &Call) -> Vec<(&'static str, String)> {
    let mut files: Vec<_> = TEXTS
        .iter()
        .map(|(path, text)| (*path, (*text).to_owned()))
        .collect();
    files.push((MANIFEST_FILE, text(&manifest())));
    files.push((HOOKS_FILE, text(&hooks(call))));
    files
}

/// Every path that a plugin of SHIM has.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let written = TEXTS.iter().map(|(path, _)| *path);
    written.chain([MANIFEST_FILE, HOOKS_FILE, SERVER_FILE])
}

fn manifest() -> Value {
    json!({
        "name": PLUGIN,
        "version": env!("CARGO_PKG_VERSION"),
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "author": { "name": "SHIM" },
        "license": env!("CARGO_PKG_LICENSE"),
    })
}

fn hooks(call: &Call) -> Value {
    let hook = call.hook();
    let of_event = |event: &str| (event.to_owned(), json!([{ "hooks": [hook] }]));
    let events: Map<String, Value> = EVENTS.into_iter().map(of_event).collect();
    json!({
        "description": "Tells SHIM what happens in a session: names, paths, times, sizes and outcomes.",
        "hooks": events,
    })
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn here() -> Call {
        Call::Here {
            program: "/opt/my shim/shim".to_owned(),
            flags: vec!["--data-dir".to_owned(), "/data".to_owned()],
        }
    }

    #[test]
    fn every_event_calls_this_program_without_a_shell_and_within_seconds() {
        let hooks = hooks(&here());
        for event in EVENTS {
            let hook = &hooks["hooks"][event][0]["hooks"][0];
            assert_eq!(hook["command"], "/opt/my shim/shim", "{event}");
            assert_eq!(hook["args"], json!(["--data-dir", "/data", "hook"]));
            assert_eq!(hook["timeout"], 5, "{event}");
        }
        assert_eq!(hooks["hooks"].as_object().unwrap().len(), EVENTS.len());
    }

    #[test]
    fn what_a_project_shares_names_nothing_of_this_machine() {
        let files = files(&Call::ByPath);
        let server = json!(Call::ByPath.server()).to_string();
        for text in files.iter().map(|(_, text)| text).chain([&server]) {
            for place in ["/opt/", "/home/", "/usr/", env!("CARGO_MANIFEST_DIR")] {
                assert!(!text.contains(place), "{text}");
            }
        }
        assert!(server.contains(r#""command":"shim""#), "{server}");
    }

    #[test]
    fn every_file_has_a_path_by_which_it_is_taken_away() {
        let known: Vec<_> = paths().collect();
        let written = files(&here());
        assert!(written.iter().all(|(path, _)| known.contains(path)));
        assert_eq!(known.len(), written.len() + 1, "and the server's");
    }

    #[test]
    fn the_commands_name_tools_that_there_are() {
        for (path, text) in TEXTS
            .iter()
            .filter(|(path, _)| path.starts_with("commands/"))
        {
            let tools = text
                .lines()
                .find_map(|line| line.strip_prefix("allowed-tools: "));
            for tool in tools.unwrap().split(", ") {
                let name = tool.strip_prefix("mcp__plugin_shim_shim__").unwrap();
                let is_known = crate::install::rules::TOOLS.contains(&name);
                assert!(is_known && text.matches(name).count() > 1, "{path}: {tool}");
            }
        }
    }
}
