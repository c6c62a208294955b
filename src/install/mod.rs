//! `shim install`: connects a Claude client. Claude Code gets a plugin with hooks, the server, commands and the status line; Claude
//! Desktop an entry in its list of servers. `shim uninstall` takes all of it back.
//!
//! A file of others is changed only where it must be, backed up, replaced in one step, and never touched if it is broken; of
//! several files all are changed or none.

mod args;
mod client;
mod edit;
mod entry;
mod hindrance;
mod judge;
mod merge;
mod permissions;
mod plugin;
mod rules;
mod scopes;
mod switches;
mod write;

use std::io::Write;
use std::process::ExitCode;

use crate::config::Config;
use crate::error::CliError;
use crate::output::say;

use plugin::Location;
use write::Edit;

pub(crate) use args::{Args, UninstallArgs};
pub(crate) use client::Client;
pub(crate) use hindrance::Hindrance;
pub(crate) use judge::Here;
pub(crate) use merge::{ENTRY, SERVERS};
pub(crate) use plugin::Installed;
pub(crate) use rules::Server;
pub(crate) use scopes::Scopes;
pub(crate) use write::without_mark;

/// Connects the client.
pub(crate) fn run(args: &Args, config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    tell_unlikely_folder(args.client);
    match args.client {
        Client::ClaudeCode if !args.mcp_only => {
            let code = plugin::install(args, config, out)?;
            if !args.print {
                tell_hindrances(args, config, out)?;
            }
            Ok(code)
        }
        _ => entry::install(args, config, out),
    }
}

/// Tells what keeps the plugin, as it stands now, from being used here as it is meant.
fn tell_hindrances(args: &Args, config: &Config, out: &mut dyn Write) -> std::io::Result<()> {
    let here = Here::of_process(Some(config.data_dir()));
    let scopes = Scopes::of_working_folder().unwrap_or_default();
    let installed = Installed::all();
    let ours = installed.iter().filter(|it| it.is_project == args.project);
    let found = ours.flat_map(|it| it.judged(&here).into_iter().chain(it.hindrances(&scopes)));
    for Hindrance { said, remedy, .. } in found {
        writeln!(out, "warning: {said}; {remedy}")?;
    }
    Ok(())
}

/// Takes out of the client's files what `install` wrote.
pub(crate) fn uninstall(args: &UninstallArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let path = entry::file(args.client, args.project)?;
    tell_unlikely_folder(args.client);
    let location = match args.client {
        Client::ClaudeCode => Some(Location::of(args.project)?),
        Client::ClaudeDesktop => None,
    };
    let edits = match &location {
        Some(location) => location.removal()?,
        None => vec![Edit::plan(&path, edit::disconnect)?],
    };
    let is_connected = edits.iter().any(Edit::changes);
    write::write_all(&edits.iter().collect::<Vec<_>>(), out)?;
    if let Some(location) = &location {
        location.prune();
    }
    let client = args.client;
    if is_connected {
        writeln!(
            out,
            "{client} is disconnected; it takes effect when it starts anew"
        )?;
    } else {
        writeln!(out, "{client} is not connected: {}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells that the client's folder is surely not the one that is meant. It is used all the same: the client does so, too.
fn tell_unlikely_folder(client: Client) {
    if client == Client::ClaudeCode
        && let Some(why) = client::unlikely_folder(std::env::var_os("CLAUDE_CONFIG_DIR"))
    {
        say::line(format_args!("warning: {why}"));
    }
}
