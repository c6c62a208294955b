//! The rules of Claude Code's settings that are about SHIM's tools. Pure but for the names of files.

use std::path::{Path, PathBuf};

use serde_json::Value;

const DENY: &str = "permissions.deny";

/// The server whose tools are meant: Claude Code names them after who brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The plugin's.
    Plugin,
    /// That of an entry in a list of servers.
    Entry,
}

impl Server {
    pub(super) const ALL: [Self; 2] = [Self::Plugin, Self::Entry];

    /// The rule that stands for all its tools.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Plugin => "mcp__plugin_shim_shim",
            Self::Entry => "mcp__shim",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Plugin => Self::Entry,
            Self::Entry => Self::Plugin,
        }
    }
}

/// The tools of the server.
pub(super) const TOOLS: [&str; 6] = [
    "shim_auto_checkpoint",
    "shim_check_recovery",
    "shim_monitor_signals",
    "shim_session_status",
    "shim_coordinate_task",
    "shim_worker_task",
];

/// A rule that goes before what is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// "permissions.deny" or "permissions.ask".
    list: &'static str,
    rule: String,
    file: PathBuf,
    /// It is about every tool of SHIM.
    pub(super) covers_all: bool,
}

/// The rules of a settings file, as far as they can be read.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) allow: Vec<String>,
    ask: Vec<String>,
    deny: Vec<String>,
}

impl Obstacle {
    /// Whether no tool of SHIM can be used, whatever a person answers.
    pub(super) fn denies_all(&self) -> bool {
        self.covers_all && self.list == DENY
    }
}

/// What keeps every tool of SHIM from being used by these settings.
pub(super) struct Denial {
    pub(super) said: String,
    /// Somebody wants it so; else the settings cannot be read as they stand.
    pub(super) is_wanted: bool,
}

/// What keeps every tool of the server from being used by these settings, or the settings from being read.
pub(super) fn denial(server: Server, file: &Path, text: &str) -> Option<Denial> {
    let settings: Value = serde_json::from_str(text).unwrap_or_default();
    let is_list = settings["permissions"]
        .get("deny")
        .is_none_or(Value::is_array);
    if !is_list {
        return Some(Denial {
            said: format!("{DENY} of {} is not a list", file.display()),
            is_wanted: false,
        });
    }
    let mut obstacles = Rules::of(text).obstacles(file, &[server]);
    obstacles.retain(Obstacle::denies_all);
    (!obstacles.is_empty()).then(|| Denial {
        said: told(&obstacles),
        is_wanted: true,
    })
}

impl Rules {
    pub(super) fn of(text: &str) -> Self {
        let file: Value = serde_json::from_str(text).unwrap_or_default();
        let list = |name: &str| -> Vec<String> {
            let rules = file["permissions"][name].as_array();
            let rules = rules.into_iter().flatten().filter_map(Value::as_str);
            rules.map(str::to_owned).collect()
        };
        Self {
            allow: list("allow"),
            ask: list("ask"),
            deny: list("deny"),
        }
    }

    /// Whether a rule allows every tool, in either of the forms that Claude Code has for a server.
    pub(super) fn allows_all(&self, server: Server) -> bool {
        let named = server.rule();
        let is_of_server = |rule: &String| rule == named || *rule == format!("{named}__*");
        self.allow.iter().any(is_of_server)
    }

    /// What denies tools of SHIM under the name of any of the servers, or has every use of them asked for.
    pub(super) fn obstacles(&self, file: &Path, servers: &[Server]) -> Vec<Obstacle> {
        let of = |list: &'static str, rules: &[String]| -> Vec<Obstacle> {
            let covered = |rule: &String| {
                let of_server = |server: &Server| {
                    let tools = TOOLS.iter().filter(|tool| covers(*server, rule, tool));
                    tools.count()
                };
                servers.iter().map(of_server).max().unwrap_or_default()
            };
            let obstacles = rules.iter().filter_map(|rule| match covered(rule) {
                0 => None,
                tools => Some(Obstacle {
                    list,
                    rule: rule.clone(),
                    file: file.to_path_buf(),
                    covers_all: tools == TOOLS.len(),
                }),
            });
            obstacles.collect()
        };
        let mut found = of(DENY, &self.deny);
        found.extend(of("permissions.ask", &self.ask));
        found
    }
}

pub(super) fn told(obstacles: &[Obstacle]) -> String {
    let told = obstacles.iter().map(|other| {
        let (list, rule, file) = (other.list, &other.rule, other.file.display());
        format!("{list} of {file} has \"{rule}\"")
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Whether a rule is about a tool of the server: by its name, by the server's, or with * for any letters.
fn covers(server: Server, rule: &str, tool: &str) -> bool {
    let named = server.rule();
    rule == named || matches_pattern(rule, &format!("{named}__{tool}"))
}

/// Whether the text is the pattern, in which * stands for any letters.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            let mut rests = ends.map(|at| &rest[at..]);
            rests.any(|rest| matches_pattern(after, rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*b", "ac", false),
            ("abc", "abc", true),
            ("ab", "abc", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }
}
