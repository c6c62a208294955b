//! The entry in a client's list of servers: all there is for Claude Desktop, and what `--mcp-only` leaves of SHIM in Claude Code.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Args;
use super::client::Client;
use super::hindrance::Hindrance;
use super::judge::Here;
use super::merge::{self, ENTRY, SERVERS};
use super::permissions::{self, PlannedPermission};
use super::plugin::{Call, Location};
use super::rules::Server;
use super::scopes::Scopes;
use super::write::{Edit, without_mark, write_all};
use crate::config::Config;
use crate::error::CliError;
use crate::output::lines::block;

/// Merges the entry into the client's file.
pub(super) fn install(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let path = file(args.client, args.project)?;
    let entry = Call::of(config, args.project)?.server();
    if args.print {
        let whole = json!({ SERVERS: { ENTRY: entry } });
        let whole = serde_json::to_string_pretty(&whole).map_err(std::io::Error::from)?;
        writeln!(out, "{}", path.display())?;
        block(out, whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Everything is looked at before anything is written.
    let connection = Edit::plan(&path, |text| merge::merge(text, &entry))?;
    let permission = plan_permission(args, out)?;
    let mut edits = vec![&connection];
    let others = match args.client {
        Client::ClaudeCode => Location::of(args.project)?.replaced_by_entry(&permission)?,
        Client::ClaudeDesktop => Vec::new(),
    };
    edits.extend(&others);
    write_all(&edits, out)?;
    if args.client == Client::ClaudeCode {
        Location::of(args.project)?.prune();
    }
    let client = args.client;
    if connection.changes() {
        writeln!(out, "{client} is connected; {}", client.next_step())?;
    } else {
        writeln!(out, "{client} is connected already: {}", path.display())?;
    }
    if let Some(said) = permission.said {
        writeln!(out, "{said}")?;
    }
    tell_hindrances(args, &path, config, out)?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be allowed. Claude Desktop has no such file: it asks in its window.
fn plan_permission(args: &Args, out: &mut dyn Write) -> Result<PlannedPermission, CliError> {
    if args.client == Client::ClaudeDesktop {
        return match args.permissions.allow_tools {
            true => Err(
                CliError::usage("only Claude Code has a file of permissions")
                    .hint("leave out --allow-tools; Claude Desktop asks in its window"),
            ),
            false => Ok(PlannedPermission::default()),
        };
    }
    let settings = permissions::file(args.project)?;
    args.permissions.plan(Server::Entry, &settings, out)
}

/// Tells what keeps the entry, as it stands now, from being used here as it is meant.
fn tell_hindrances(
    args: &Args,
    path: &Path,
    config: &Config,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let file: Value = serde_json::from_str(without_mark(&text)).unwrap_or_default();
    let here = Here::of_process(Some(config.data_dir()));
    if let Err(wrong) = here.judge(&file[SERVERS][ENTRY]) {
        let remedy = wrong.remedy("look at the entry");
        writeln!(out, "warning: {}; {remedy}", wrong.said())?;
    }
    if args.client == Client::ClaudeCode
        && let Some(scopes) = Scopes::of_working_folder()
    {
        for Hindrance { said, remedy, .. } in scopes.hindrances(args.project) {
            writeln!(out, "warning: {said}; {remedy}")?;
        }
    }
    Ok(())
}

/// The client's file, of the user or of the project.
pub(super) fn file(client: Client, is_project: bool) -> Result<PathBuf, CliError> {
    if !is_project {
        return client.file();
    }
    if client != Client::ClaudeCode {
        return Err(
            CliError::new("only Claude Code has a configuration per project")
                .hint("leave out --project"),
        );
    }
    Ok(std::env::current_dir()?.join(".mcp.json"))
}
