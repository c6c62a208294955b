//! Whether the Claude clients on this machine start this very program, and may use it in this folder.

use std::path::Path;

use serde_json::Value;

use super::check::Check;
use crate::install::{
    Client, ENTRY, Here, Hindrance, Installed, SERVERS, Scopes, Server, without_mark,
};

/// `data_dir` is that of the configuration, if it loads.
pub(super) fn check(data_dir: Option<&Path>) -> Vec<Check> {
    let here = Here::of_process(data_dir);
    let scopes = Scopes::of_working_folder().unwrap_or_default();
    let installed = Installed::all();
    let has_plugin = !installed.is_empty();
    let by_entry = |client: &Client| *client != Client::ClaudeCode || !has_plugin;
    let of_client = |client| check_one(client, &here, &scopes);
    let clients = Client::ALL.into_iter().filter(by_entry);
    let mut found: Vec<Check> = clients.filter_map(of_client).collect();
    match has_plugin {
        true => found.extend(
            installed
                .iter()
                .flat_map(|it| of_plugin(it, &here, &scopes)),
        ),
        false => found.extend(of_folder(&here, &scopes)),
    }
    if found.is_empty() {
        let remedy = "run `shim install claude-code` or `shim install claude-desktop`";
        return vec![Check::warn(
            "clients",
            "no configuration of a Claude client was found",
            remedy,
        )];
    }
    found
}

/// `None` if the client has no configuration here, or Claude Code has an entry of this folder instead.
fn check_one(client: Client, here: &Here, scopes: &Scopes) -> Option<Check> {
    let path = client.file().ok()?;
    let text = std::fs::read_to_string(&path).ok()?;
    let (name, install) = named(client);
    let file: Value = match serde_json::from_str(without_mark(&text)) {
        Ok(file) => file,
        Err(why) => {
            let said = format!("{} is not valid JSON: {why}", path.display());
            let remedy = "mend the file; the client ignores it as it is";
            return Some(Check::fail(name, said, remedy));
        }
    };
    let is_elsewhere = client == Client::ClaudeCode
        && (scopes.of_folder().is_some() || scopes.of_project().is_some());
    match file.get(SERVERS).and_then(|servers| servers.get(ENTRY)) {
        Some(entry) => Some(judged(client, ("", install), entry, here)),
        None if is_elsewhere => None,
        None => {
            let said = format!("{} does not name shim", path.display());
            Some(Check::warn(name, said, install))
        }
    }
}

fn named(client: Client) -> (&'static str, &'static str) {
    match client {
        Client::ClaudeDesktop => ("claude-desktop", "run `shim install claude-desktop`"),
        Client::ClaudeCode => ("claude-code", "run `shim install claude-code`"),
    }
}

/// The finding about one entry, of which the place is told and what writes it anew.
fn judged(client: Client, place: (&str, &str), entry: &Value, here: &Here) -> Check {
    let (name, _) = named(client);
    let (whose, install) = place;
    match here.judge(entry) {
        Ok(detail) if client == Client::ClaudeCode => Check::ok(
            name,
            format!(
                "{whose}{detail}, for its tools alone; {install} for the plugin, which sees what happens, too"
            ),
        ),
        Ok(detail) => Check::ok(name, format!("{whose}{detail}")),
        Err(wrong) => {
            let (said, remedy) = (format!("{whose}{}", wrong.said()), wrong.remedy(install));
            match wrong.is_fatal() {
                true => Check::fail(name, said, remedy),
                false => Check::warn(name, said, remedy),
            }
        }
    }
}

/// The entries of Claude Code for this folder, and what keeps those there are from being used in it.
fn of_folder(here: &Here, scopes: &Scopes) -> Vec<Check> {
    let client = Client::ClaudeCode;
    let (project, folder) = (scopes.of_project(), scopes.of_folder());
    let mut found = Vec::new();
    let of_project = ("./.mcp.json: ", "run `shim install claude-code --project`");
    found.extend(project.map(|entry| judged(client, of_project, entry, here)));
    let of_folder = (
        "of this folder alone: ",
        "`claude mcp remove shim --scope local` removes it",
    );
    found.extend(folder.map(|entry| judged(client, of_folder, entry, here)));
    let hindrances = scopes.hindrances(project.is_some() && folder.is_none());
    let hindrances = hindrances.into_iter().chain(scopes.denials(Server::Entry));
    found.extend(hindrances.map(of_hindrance));
    found
}

/// The findings about a plugin of Claude Code, and what keeps it from being used here.
fn of_plugin(plugin: &Installed, here: &Here, scopes: &Scopes) -> Vec<Check> {
    let mut wrong = plugin.judged(here);
    wrong.extend(plugin.judged_status_line(here));
    wrong.extend(plugin.hindrances(scopes));
    wrong.extend(scopes.denials(Server::Plugin));
    if wrong.is_empty() {
        let folder = plugin.folder.display();
        return vec![Check::ok(
            named(Client::ClaudeCode).0,
            format!("the plugin in {folder} calls this program"),
        )];
    }
    wrong.into_iter().map(of_hindrance).collect()
}

fn of_hindrance(hindrance: Hindrance) -> Check {
    let Hindrance {
        said,
        remedy,
        is_fatal,
    } = hindrance;
    let name = named(Client::ClaudeCode).0;
    match is_fatal {
        true => Check::fail(name, said, remedy),
        false => Check::warn(name, said, remedy),
    }
}
