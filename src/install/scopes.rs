//! What Claude Code has for SHIM in one folder: an entry of the user, of the project and of the folder alone, of which the last
//! counts, and what switches them off.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shim_runtime::workspace::Workspace;

use super::client::Client;
use super::hindrance::Hindrance;
use super::merge::{ENTRY, SERVERS};
use super::plugin::PLUGIN_SERVER;
use super::rules::{Server, denial};
use super::write::without_mark;
use super::{permissions, switches};

/// The files of Claude Code that decide in one folder, as far as they can be read.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    user_file: PathBuf,
    user: Value,
    /// Of the project's `.mcp.json`.
    project: Value,
    /// Of the user, of the project and of the user in the project.
    settings: Vec<(PathBuf, String)>,
    /// Of whoever manages the machine.
    managed: Vec<(PathBuf, String)>,
    /// The names under which the user's file may have the folder.
    folders: Vec<String>,
}

impl Scopes {
    /// Those of the working folder; `None` if there is no home or working folder.
    pub(crate) fn of_working_folder() -> Option<Self> {
        let user_file = Client::ClaudeCode.file().ok()?;
        let folder = std::env::current_dir().ok()?;
        let in_project = folder.join(".claude");
        let settings = [
            permissions::file(false).ok()?,
            in_project.join("settings.json"),
            in_project.join("settings.local.json"),
        ];
        let mut folders = vec![folder.clone(), Workspace::containing(&folder).root];
        folders.dedup();
        let text = |file: &Path| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            without_mark(&text).to_owned()
        };
        let json = |file: &Path| serde_json::from_str(&text(file)).unwrap_or_default();
        Some(Self {
            user: json(&user_file),
            user_file,
            project: json(&folder.join(".mcp.json")),
            settings: settings.map(|file| (file.clone(), text(&file))).into(),
            managed: switches::managed_files(switches::managed_folder())
                .into_iter()
                .map(|file| (file.clone(), text(&file)))
                .collect(),
            folders: folders.iter().map(|it| it.display().to_string()).collect(),
        })
    }

    /// The entry of the project, for all who work on it.
    pub(crate) fn of_project(&self) -> Option<&Value> {
        self.project.get(SERVERS)?.get(ENTRY)
    }

    /// The entry of this folder alone, which goes before every other one.
    pub(crate) fn of_folder(&self) -> Option<&Value> {
        let mut entries = self.kept_of_folder().map(|(_, kept)| &kept[SERVERS][ENTRY]);
        entries.find(|entry| !entry.is_null())
    }

    /// What the user's file keeps of the folder, under its names.
    fn kept_of_folder(&self) -> impl Iterator<Item = (&str, &Value)> {
        let kept = |name: &String| self.user["projects"].get(name);
        let names = self.folders.iter();
        names.filter_map(move |name| Some((name.as_str(), kept(name)?)))
    }

    /// Rules and settings that keep every tool of the server from being used.
    pub(crate) fn denials(&self, server: Server) -> Vec<Hindrance> {
        let of = |(file, text): &(PathBuf, String)| denial(server, file, text);
        let denied = self.settings.iter().filter_map(of).map(|denial| Hindrance {
            said: denial.said,
            remedy: match denial.is_wanted {
                true => "take it out there if Claude Code is to use SHIM here",
                false => "mend it there",
            }
            .to_owned(),
            is_fatal: !denial.is_wanted,
        });
        denied.collect()
    }

    /// What keeps the entry of the user, or of the project, from being used here.
    pub(crate) fn hindrances(&self, of_project: bool) -> Vec<Hindrance> {
        let mut found = self.listed("disabledMcpServers", ENTRY);
        if of_project {
            found.extend(self.listed("disabledMcpjsonServers", ENTRY));
        }
        let is_hidden = |entry: &&Value| of_project || self.user[SERVERS].get(ENTRY) != Some(entry);
        let by_folder = self.of_folder().filter(is_hidden).map(|_| {
            let file = self.user_file.display();
            let said = format!("the entry of this folder alone, in {file}, goes before it");
            (said, "local")
        });
        let by_project = self.of_project().filter(|_| !of_project);
        let by_project = by_project.filter(is_hidden).map(|_| {
            let said = "the entry of this project, in ./.mcp.json, goes before it".to_owned();
            (said, "project")
        });
        found.extend(by_folder.or(by_project).map(|(said, scope)| Hindrance {
            said,
            remedy: format!("`claude mcp remove {ENTRY} --scope {scope}` removes that"),
            is_fatal: false,
        }));
        found
    }

    /// What switches the plugin, its hooks or its server off here.
    pub(crate) fn switches(&self) -> Vec<Hindrance> {
        let parsed = |files: &[(PathBuf, String)]| -> Vec<(PathBuf, Value)> {
            let values = files.iter().map(|(file, text)| {
                let value = serde_json::from_str(text).unwrap_or_default();
                (file.clone(), value)
            });
            values.collect()
        };
        let mut found = switches::of_all(&parsed(&self.settings), &parsed(&self.managed));
        found.extend(self.listed("disabledMcpServers", PLUGIN_SERVER));
        found
    }

    /// Entries that start a second gateway, or hide the plugin's.
    pub(crate) fn beside_plugin(&self) -> Vec<Hindrance> {
        let user = self.user[SERVERS].get(ENTRY).map(|_| "user");
        let project = self.of_project().map(|_| "project");
        let folder = self.of_folder().map(|_| "local");
        let entries = [user, project, folder].into_iter().flatten();
        let found = entries.map(|scope| Hindrance {
            said: format!(
                "beside the plugin's server there is an entry \"{ENTRY}\" of scope {scope}: a second gateway, or one in its place"
            ),
            remedy: format!("`claude mcp remove {ENTRY} --scope {scope}` removes that"),
            is_fatal: false,
        });
        found.collect()
    }

    /// Whether the person said that this folder, or one around it, can be trusted.
    pub(crate) fn is_trusted(&self) -> bool {
        let folders = self.folders.iter().flat_map(|it| Path::new(it).ancestors());
        let mut kept = folders.filter_map(|it| self.user["projects"].get(it.to_str()?));
        kept.any(|kept| kept["hasTrustDialogAccepted"] == true)
    }

    /// The lists of this name that have a server.
    fn listed(&self, list: &str, server: &str) -> Vec<Hindrance> {
        let has_shim = |kept: &Value| {
            let names = kept[list].as_array();
            names.is_some_and(|names| names.iter().any(|name| name == server))
        };
        let kept = self.kept_of_folder().filter(|(_, kept)| has_shim(kept));
        let kept =
            kept.map(|(folder, _)| format!("{list} of {folder} in {}", self.user_file.display()));
        let parsed = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let settings = self
            .settings
            .iter()
            .filter(|(_, text)| has_shim(&parsed(text)));
        let settings = settings.map(|(file, _)| format!("{list} of {}", file.display()));
        let switches = kept.chain(settings).map(|place| Hindrance {
            said: format!("it is switched off here: {place} has \"{server}\""),
            remedy: "switch it on in Claude Code with /mcp, or take it out there".to_owned(),
            is_fatal: false,
        });
        switches.collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scopes(kept: &Value) -> Scopes {
        let ours = json!({"shim": {"command": "shim", "args": ["gateway"]}});
        Scopes {
            user_file: "/home/.claude.json".into(),
            user: json!({"mcpServers": ours, "projects": {"/project": kept}}),
            folders: vec!["/project/src".to_owned(), "/project".to_owned()],
            ..Scopes::default()
        }
    }

    #[test]
    fn what_switches_the_entry_off_is_found() {
        let off = scopes(&json!({"disabledMcpServers": ["other", "shim"]}));
        let found = off.hindrances(false);
        assert!(!found[0].is_fatal && found[0].said.contains("of /project in /home"));
        assert_eq!(off.hindrances(true).len(), 1);
        let off = scopes(&json!({"disabledMcpjsonServers": ["shim"]}));
        assert_eq!(off.hindrances(false), []);
        assert_eq!(off.hindrances(true).len(), 1);
        let mut off = scopes(&json!({}));
        let text = json!({"disabledMcpjsonServers": ["shim"]}).to_string();
        off.settings.push(("/s.json".into(), text));
        assert!(off.hindrances(true)[0].said.contains("/s.json"));
    }

    #[test]
    fn what_hides_the_entry_is_found_unless_it_is_the_same() {
        let other = json!({"mcpServers": {"shim": {"command": "other"}}});
        let hidden = scopes(&other);
        assert!(hidden.of_folder().is_some());
        let found = hidden.hindrances(false);
        assert!(!found[0].is_fatal && found[0].remedy.contains("--scope local"));
        let mut hidden = scopes(&json!({}));
        assert_eq!(hidden.hindrances(false), []);
        hidden.project = other;
        assert!(
            hidden.hindrances(false)[0]
                .remedy
                .contains("--scope project")
        );
        assert_eq!(hidden.hindrances(true), []);
        let mut same = scopes(&json!({}));
        same.project = json!({"mcpServers": same.user["mcpServers"]});
        assert_eq!(same.hindrances(false), []);
    }

    #[test]
    fn what_stands_in_the_plugins_way_is_found() {
        let mut with = scopes(&json!({"disabledMcpServers": ["plugin:shim:shim"]}));
        assert!(with.switches()[0].said.contains("plugin:shim:shim"));
        assert!(with.hindrances(false).is_empty() && !with.is_trusted());
        let remedies = |with: &Scopes| -> Vec<String> {
            with.beside_plugin()
                .into_iter()
                .map(|it| it.remedy)
                .collect()
        };
        assert_eq!(
            remedies(&with),
            ["`claude mcp remove shim --scope user` removes that"]
        );
        with.user = json!({"projects": {"/": {"hasTrustDialogAccepted": true}}});
        assert!(with.is_trusted() && remedies(&with).is_empty());
    }

    #[test]
    fn what_denies_every_tool_is_found() {
        for (permissions, denials) in [
            (json!({"deny": ["mcp__shim"]}), 1),
            (json!({"deny": "mcp__shim"}), 1),
            (json!({"deny": ["mcp__shim__shim_worker_task"]}), 0),
            (json!({"ask": ["mcp__shim"]}), 0),
            (json!({"deny": ["Read"]}), 0),
        ] {
            let mut with = scopes(&json!({}));
            let text = json!({ "permissions": permissions }).to_string();
            with.settings.push(("/s.json".into(), text));
            let found = with.denials(Server::Entry);
            assert_eq!(
                with.denials(Server::Plugin).len(),
                usize::from(permissions["deny"].is_string())
            );
            assert_eq!(found.len(), denials, "{permissions}");
            // What somebody wants so is no failure; what cannot be read is one.
            let is_wanted = permissions["deny"].is_array();
            assert!(found.iter().all(|it| it.is_fatal != is_wanted), "{found:?}");
        }
    }
}
