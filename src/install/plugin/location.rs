//! Where an installation in Claude Code stands, and what of it is written or taken away.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::client::{Client, claude_code_folder};
use super::super::permissions::{self, PlannedPermission};
use super::super::write::{Edit, read, without_mark};
use super::super::{edit, merge};
use super::call::Call;
use super::files::{self, PLUGIN};
use super::record::{Original, RECORD_FILE, Record};
use super::status_line;
use crate::error::CliError;

/// Where one installation stands.
pub(crate) struct Location {
    /// The plugin's folder.
    pub(super) folder: PathBuf,
    /// The list of servers in which an earlier installation put its entry.
    servers: PathBuf,
    pub(super) settings: PathBuf,
}

impl Location {
    /// Of the user, or of the project in this folder.
    ///
    /// # Errors
    /// If there is no home folder, or no working folder.
    pub(crate) fn of(is_project: bool) -> Result<Self, CliError> {
        Ok(Self {
            folder: folder(is_project)?,
            servers: match is_project {
                true => std::env::current_dir()?.join(".mcp.json"),
                false => Client::ClaudeCode.file()?,
            },
            settings: permissions::file(is_project)?,
        })
    }

    /// What makes the plugin; nothing is written yet.
    pub(super) fn edits(
        &self,
        call: &Call,
        permission: &PlannedPermission,
        has_status_line: bool,
    ) -> Result<Vec<Edit>, CliError> {
        let mut edits = Vec::new();
        for (path, text) in files::files(call) {
            edits.push(Edit::own(&self.folder.join(path), |_| Ok(text.clone()))?);
        }
        edits.push(self.server_edit(call)?);
        edits.push(Edit::plan(&self.settings, |text| {
            let allowed = permission.applied(text)?;
            match has_status_line {
                true => status_line::put(&allowed, call),
                false => Ok(allowed),
            }
        })?);
        edits.push(Edit::plan(&self.servers, edit::disconnect)?);
        Ok(edits)
    }

    /// The server of the plugin. What a person added to the entry that it takes the place of stays.
    fn server_edit(&self, call: &Call) -> Result<Edit, CliError> {
        let listed = read(&self.servers)?;
        let listed: Value = serde_json::from_str(without_mark(&listed)).unwrap_or_default();
        let earlier = listed[merge::SERVERS].get(merge::ENTRY);
        let earlier = earlier.map(|entry| json!({merge::SERVERS: {merge::ENTRY: entry}}));
        let earlier = earlier
            .map(|list| format!("{list:#}\n"))
            .unwrap_or_default();
        Edit::own(&self.folder.join(files::SERVER_FILE), |text| {
            let base = if text.trim().is_empty() {
                &earlier
            } else {
                text
            };
            merge::merge(base, &call.server())
        })
    }

    /// What takes all of it away.
    ///
    /// # Errors
    /// If a file cannot be read, or cannot be changed as it is.
    pub(crate) fn removal(&self) -> Result<Vec<Edit>, CliError> {
        let mut edits = self.plugin_removal()?;
        edits.push(self.settings_given_back()?);
        edits.push(Edit::plan(&self.servers, edit::disconnect)?);
        Ok(edits)
    }

    /// What takes the plugin's folder away.
    fn plugin_removal(&self) -> Result<Vec<Edit>, CliError> {
        let paths = files::paths().chain([RECORD_FILE]);
        let removals = paths.map(|path| Edit::removal(&self.folder.join(path)));
        removals.collect()
    }

    /// The settings as they were: to the byte if nobody else wrote them since.
    fn settings_given_back(&self) -> Result<Edit, CliError> {
        let now = read(&self.settings)?;
        match Record::read(&self.folder).original(&self.settings, &now) {
            Some(Original::Absent) => Edit::removal(&self.settings),
            Some(Original::Text(text)) => {
                Edit::plan(&self.settings, |_| Ok(without_mark(&text).to_owned()))
            }
            None => Edit::plan(&self.settings, without_ours),
        }
    }

    /// What puts the entry in the plugin's location, but for the entry itself.
    pub(crate) fn replaced_by_entry(
        &self,
        permission: &PlannedPermission,
    ) -> Result<Vec<Edit>, CliError> {
        let mut edits = self.plugin_removal()?;
        edits.push(Edit::plan(&self.settings, |text| {
            let text = permission.applied(text)?;
            // Settings that are not there have no status line.
            if text.is_empty() {
                Ok(text)
            } else {
                status_line::take_back(&text)
            }
        })?);
        Ok(edits)
    }

    /// Takes the folders away that are empty now; one that holds something else stays.
    pub(crate) fn prune(&self) {
        for part in [".claude-plugin", "hooks", "commands"] {
            let _ = std::fs::remove_dir(self.folder.join(part));
        }
        let skills = self.folder.parent();
        if let (Ok(()), Some(skills)) = (std::fs::remove_dir(&self.folder), skills) {
            let _ = std::fs::remove_dir(skills);
        }
    }
}

/// The settings without anything of SHIM.
pub(super) fn without_ours(text: &str) -> Result<String, String> {
    status_line::take_back(&permissions::taken_back(text)?)
}

/// Where Claude Code looks for plugins that no marketplace has.
pub(super) fn folder(is_project: bool) -> Result<PathBuf, CliError> {
    let claude = match is_project {
        true => std::env::current_dir()?.join(".claude"),
        false => claude_code_folder()?,
    };
    Ok(claude.join("skills").join(PLUGIN))
}
