//! Claude Code's permission for SHIM's tools: without it every call is asked for, and denied where nobody can be asked.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::edit;
use super::write::{Edit, read, without_mark};
use crate::error::CliError;

/// The rule that stands for all tools of the server `shim`.
pub(super) const RULE: &str = "mcp__shim";

const DENY: &str = "permissions.deny";

/// The tools of the server.
const TOOLS: [&str; 6] = [
    "shim_auto_checkpoint",
    "shim_check_recovery",
    "shim_monitor_signals",
    "shim_session_status",
    "shim_coordinate_task",
    "shim_worker_task",
];

/// What a person decided beforehand.
#[derive(Debug, clap::Args)]
pub(super) struct PermissionArgs {
    /// Claude Code: allow SHIM's tools without being asked for each call
    #[arg(long, conflicts_with = "no_allow_tools")]
    pub(super) allow_tools: bool,
    /// Claude Code: leave the permissions as they are, and do not ask
    #[arg(long)]
    no_allow_tools: bool,
}

/// The change of the settings that a person wants, if any, and what is said after it.
#[derive(Debug)]
pub(super) struct PlannedPermission {
    pub(super) edit: Option<Edit>,
    pub(super) said: Option<String>,
}

impl PermissionArgs {
    /// Looks at the settings, and asks a person who has not decided beforehand. Nothing is written yet.
    ///
    /// # Errors
    /// If the settings cannot be read, or cannot be changed as they are.
    pub(super) fn plan(
        &self,
        settings: &Path,
        out: &mut dyn Write,
    ) -> Result<PlannedPermission, CliError> {
        let text = read(settings)?;
        let rules = Rules::of(without_mark(&text));
        let only = |said| PlannedPermission { edit: None, said };
        let in_the_way = in_the_way(settings, &rules);
        if in_the_way.iter().any(Obstacle::denies_all) {
            return Ok(only(Some(outcome(settings, &rules, &in_the_way))));
        }
        if self.no_allow_tools {
            return Ok(only(None));
        }
        if !self.allow_tools && !rules.allows_all() {
            if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
                return Ok(only(Some(offer(settings))));
            }
            if !is_wanted(settings, out)? {
                return Ok(only(None));
            }
        }
        let is_written = !covers_all(&in_the_way) && !rules.allows_all();
        let edit = is_written
            .then(|| Edit::plan(settings, |text| edit::allow(text, RULE)))
            .transpose()?;
        let said = Some(outcome(settings, &rules, &in_the_way));
        Ok(PlannedPermission { edit, said })
    }
}

/// What is allowed afterwards, and what stands in its way.
fn outcome(settings: &Path, rules: &Rules, in_the_way: &[Obstacle]) -> String {
    match in_the_way {
        [] if rules.allows_all() => {
            format!("SHIM's tools are allowed already: {}", settings.display())
        }
        [] => "SHIM's tools are allowed; `shim uninstall claude-code` takes that back".to_owned(),
        others if covers_all(others) => format!(
            "SHIM's tools are not allowed: {}, which goes before what is allowed; take it out, then run `shim install \
             claude-code --allow-tools`",
            told(others)
        ),
        others => format!(
            "SHIM's tools are allowed but for some: {}, which goes before what is allowed",
            told(others)
        ),
    }
}

/// Whether one of them is about every tool of SHIM.
fn covers_all(obstacles: &[Obstacle]) -> bool {
    obstacles.iter().any(|obstacle| obstacle.covers_all)
}

/// What is said where nobody can be asked.
fn offer(settings: &Path) -> String {
    format!(
        "Claude Code asks before each use of SHIM's tools, and denies them where nobody can be asked; `--allow-tools` \
         writes \"{RULE}\" into {}",
        settings.display()
    )
}

/// Asks the person at the terminal.
fn is_wanted(settings: &Path, out: &mut dyn Write) -> Result<bool, CliError> {
    write!(
        out,
        "allow SHIM's tools in {} without being asked for each call? [y/N] ",
        settings.display()
    )?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A rule that goes before what is allowed.
#[derive(Debug, PartialEq, Eq)]
struct Obstacle {
    /// "permissions.deny" or "permissions.ask".
    list: &'static str,
    rule: String,
    file: PathBuf,
    /// It is about every tool of SHIM.
    covers_all: bool,
}

/// The rules of a settings file, as far as they can be read.
#[derive(Debug, Default)]
struct Rules {
    allow: Vec<String>,
    ask: Vec<String>,
    deny: Vec<String>,
}

impl Obstacle {
    /// Whether no tool of SHIM can be used, whatever a person answers.
    fn denies_all(&self) -> bool {
        self.covers_all && self.list == DENY
    }
}

/// What keeps every tool of SHIM from being used by these settings.
pub(super) struct Denial {
    pub(super) said: String,
    /// Somebody wants it so; else the settings cannot be read as they stand.
    pub(super) is_wanted: bool,
}

/// What keeps every tool of SHIM from being used by these settings, or the settings from being read.
pub(super) fn denial(file: &Path, text: &str) -> Option<Denial> {
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
    let mut obstacles = Rules::of(text).obstacles(file);
    obstacles.retain(Obstacle::denies_all);
    (!obstacles.is_empty()).then(|| Denial {
        said: told(&obstacles),
        is_wanted: true,
    })
}

impl Rules {
    fn of(text: &str) -> Self {
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
    fn allows_all(&self) -> bool {
        let is_of_server = |rule: &String| rule == RULE || *rule == format!("{RULE}__*");
        self.allow.iter().any(is_of_server)
    }

    /// What denies tools of SHIM, or has every use of them asked for.
    fn obstacles(&self, file: &Path) -> Vec<Obstacle> {
        let of = |list: &'static str, rules: &[String]| -> Vec<Obstacle> {
            let covered = |rule: &String| TOOLS.iter().filter(|tool| covers(rule, tool)).count();
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

/// What goes before the permission, in the settings it is written to and in those of the project around.
fn in_the_way(settings: &Path, rules: &Rules) -> Vec<Obstacle> {
    let mut found = rules.obstacles(settings);
    let folder = std::env::current_dir().unwrap_or_default().join(".claude");
    for name in ["settings.json", "settings.local.json"] {
        let file = folder.join(name);
        if file != settings {
            // What cannot be read is not the file to be changed.
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            found.extend(Rules::of(without_mark(&text)).obstacles(&file));
        }
    }
    found
}

fn told(obstacles: &[Obstacle]) -> String {
    let told = obstacles.iter().map(|other| {
        let (list, rule, file) = (other.list, &other.rule, other.file.display());
        format!("{list} of {file} has \"{rule}\"")
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Whether a rule is about a tool of the server: by its name, by the server's, or with * for any letters.
fn covers(rule: &str, tool: &str) -> bool {
    rule == RULE || matches_pattern(rule, &format!("{RULE}__{tool}"))
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

/// Where the permissions of a person stand: beside the user's configuration, or of this project alone.
pub(super) fn file(user_configuration: &Path, is_project: bool) -> Result<PathBuf, CliError> {
    if is_project {
        return Ok(std::env::current_dir()?.join(".claude/settings.local.json"));
    }
    // `~/.claude.json` has its settings in `~/.claude`; with CLAUDE_CONFIG_DIR both are in that folder.
    let folder = match std::env::var_os("CLAUDE_CONFIG_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => user_configuration.with_file_name(".claude"),
    };
    Ok(folder.join("settings.json"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALLOW: PermissionArgs = PermissionArgs {
        allow_tools: true,
        no_allow_tools: false,
    };

    /// What is said of settings with these permissions, and the rules that are allowed afterwards.
    fn planned(permissions: &str) -> (String, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        std::fs::write(&file, format!("{{\"permissions\": {permissions}}}")).unwrap();
        let planned = ALLOW.plan(&file, &mut Vec::new()).unwrap();
        let edit = planned.edit.map(|edit| format!("{edit:?}"));
        (planned.said.unwrap(), edit)
    }

    #[test]
    fn what_is_denied_or_asked_for_is_not_said_to_be_allowed() {
        for (permissions, said, is_written) in [
            ("{}", "are allowed; `shim uninstall", true),
            (r#"{"allow": ["mcp__shim"]}"#, "allowed already", false),
            (r#"{"allow": ["mcp__shim__*"]}"#, "allowed already", false),
            (
                r#"{"allow": ["mcp__shim__shim_worker_task"]}"#,
                "are allowed;",
                true,
            ),
            (
                r#"{"deny": ["mcp__shim"]}"#,
                "not allowed: permissions.deny",
                false,
            ),
            (
                r#"{"deny": ["mcp__shim__*"]}"#,
                "not allowed: permissions.deny",
                false,
            ),
            (
                r#"{"deny": ["mcp__*"]}"#,
                "not allowed: permissions.deny",
                false,
            ),
            (
                r#"{"ask": ["mcp__shim"]}"#,
                "not allowed: permissions.ask",
                false,
            ),
            (
                r#"{"allow": ["mcp__shim"], "deny": ["mcp__shim__*"]}"#,
                "not allowed: permissions.deny",
                false,
            ),
            (
                r#"{"deny": ["mcp__shim__shim_worker_task"]}"#,
                "allowed but for some: permissions.deny",
                true,
            ),
            (
                r#"{"deny": ["mcp__shimmer", "Bash(shim *)"]}"#,
                "are allowed;",
                true,
            ),
        ] {
            let (told, edit) = planned(permissions);
            assert!(told.contains(said), "{permissions}: {told}");
            assert_eq!(edit.is_some(), is_written, "{permissions}");
        }
    }

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
