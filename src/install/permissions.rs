//! Claude Code's permission for SHIM's tools: without it every call is asked for, and denied where nobody can be asked.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::client::claude_code_folder;
use super::edit;
use super::rules::{Obstacle, Rules, Server, told};
use super::write::{read, without_mark};
use crate::error::CliError;

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

/// Whether a person wants the settings changed, and what is said after it.
#[derive(Debug, Default)]
pub(super) struct PlannedPermission {
    /// The server whose rule is to be written.
    pub(super) allowed: Option<Server>,
    pub(super) said: Option<String>,
}

impl PlannedPermission {
    /// The settings with the rule, and without that of the other server, which this one takes the place of.
    ///
    /// # Errors
    /// With what is wrong, if the text is not such a JSON.
    pub(super) fn applied(&self, text: &str) -> Result<String, String> {
        let Some(server) = self.allowed else {
            return Ok(text.to_owned());
        };
        let added = edit::allow(text, server.rule())?;
        edit::disallow(&added, server.other().rule())
    }
}

/// The settings without any rule of SHIM.
///
/// # Errors
/// With what is wrong, if the text is not such a JSON.
pub(super) fn taken_back(text: &str) -> Result<String, String> {
    let mut rules = Server::ALL.iter().map(|server| server.rule());
    rules.try_fold(text.to_owned(), |text, rule| edit::disallow(&text, rule))
}

impl PermissionArgs {
    /// Looks at the settings, and asks a person who has not decided beforehand. Nothing is written yet.
    ///
    /// # Errors
    /// If the settings cannot be read, or cannot be changed as they are.
    pub(super) fn plan(
        &self,
        server: Server,
        settings: &Path,
        out: &mut dyn Write,
    ) -> Result<PlannedPermission, CliError> {
        let text = read(settings)?;
        let rules = Rules::of(without_mark(&text));
        let only = |said| PlannedPermission {
            allowed: None,
            said,
        };
        let in_the_way = in_the_way(settings, &rules);
        let said = || Some(outcome(server, settings, &rules, &in_the_way));
        if in_the_way.iter().any(Obstacle::denies_all) {
            return Ok(only(said()));
        }
        if self.no_allow_tools {
            return Ok(only(None));
        }
        // Who allowed the tools under the names that they had before decided already.
        let is_decided = Server::ALL.iter().any(|server| rules.allows_all(*server));
        if !self.allow_tools && !is_decided {
            if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
                return Ok(only(Some(offer(server, settings))));
            }
            if !is_wanted(settings, out)? {
                return Ok(only(None));
            }
        }
        let is_written = !covers_all(&in_the_way) && !rules.allows_all(server);
        Ok(PlannedPermission {
            allowed: is_written.then_some(server),
            said: said(),
        })
    }

    /// The same for a run that only prints: nobody is asked.
    pub(super) fn of_print(&self, server: Server) -> PlannedPermission {
        PlannedPermission {
            allowed: self.allow_tools.then_some(server),
            said: None,
        }
    }
}

/// What is allowed afterwards, and what stands in its way.
fn outcome(server: Server, settings: &Path, rules: &Rules, in_the_way: &[Obstacle]) -> String {
    match in_the_way {
        [] if rules.allows_all(server) => {
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
fn offer(server: Server, settings: &Path) -> String {
    format!(
        "Claude Code asks before each use of SHIM's tools, and denies them where nobody can be asked; `--allow-tools` \
         writes \"{}\" into {}",
        server.rule(),
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

/// What goes before the permission, in the settings it is written to and in those of the project around. Who denied the tools
/// under another name meant the same tools.
fn in_the_way(settings: &Path, rules: &Rules) -> Vec<Obstacle> {
    let mut found = rules.obstacles(settings, &Server::ALL);
    let folder = std::env::current_dir().unwrap_or_default().join(".claude");
    for name in ["settings.json", "settings.local.json"] {
        let file = folder.join(name);
        if file != settings {
            // What cannot be read is not the file to be changed.
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            found.extend(Rules::of(without_mark(&text)).obstacles(&file, &Server::ALL));
        }
    }
    found
}

/// Where the permissions of a person stand: in Claude Code's folder, or of this project alone.
pub(super) fn file(is_project: bool) -> Result<PathBuf, CliError> {
    if is_project {
        return Ok(std::env::current_dir()?.join(".claude/settings.local.json"));
    }
    Ok(claude_code_folder()?.join("settings.json"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALLOW: PermissionArgs = PermissionArgs {
        allow_tools: true,
        no_allow_tools: false,
    };

    /// What is said of settings with these permissions, and what they are afterwards.
    fn planned(server: Server, permissions: &str) -> (String, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        std::fs::write(&file, format!("{{\"permissions\": {permissions}}}")).unwrap();
        let planned = ALLOW.plan(server, &file, &mut Vec::new()).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let after = planned.applied(&text).unwrap();
        let changed = planned.allowed.map(|_| after);
        (planned.said.unwrap(), changed)
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
            let (entry, plugin) = (Server::Entry.rule(), Server::Plugin.rule());
            for (server, rule) in [(Server::Entry, entry), (Server::Plugin, plugin)] {
                let permissions = permissions.replace(entry, rule);
                let (told, changed) = planned(server, &permissions);
                assert!(told.contains(said), "{permissions}: {told}");
                assert_eq!(changed.is_some(), is_written, "{permissions}");
            }
        }
    }

    #[test]
    fn a_decision_about_the_tools_holds_under_their_new_name() {
        let (_, changed) = planned(Server::Plugin, r#"{"allow": ["Read", "mcp__shim"]}"#);
        let rules = Rules::of(&changed.unwrap());
        assert_eq!(rules.allow, ["Read", "mcp__plugin_shim_shim"]);
        let undecided = PermissionArgs {
            allow_tools: false,
            no_allow_tools: false,
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        std::fs::write(&file, r#"{"permissions": {"allow": ["mcp__shim__*"]}}"#).unwrap();
        let plan = undecided
            .plan(Server::Plugin, &file, &mut Vec::new())
            .unwrap();
        assert_eq!(plan.allowed, Some(Server::Plugin));
        let (said, changed) = planned(Server::Plugin, r#"{"deny": ["mcp__shim"]}"#);
        assert!(said.contains("not allowed") && changed.is_none(), "{said}");
        let both = r#"{"permissions": {"allow": ["mcp__shim", "mcp__plugin_shim_shim"]}, "a": 1}"#;
        assert_eq!(taken_back(both).unwrap(), r#"{"a": 1}"#);
    }
}
