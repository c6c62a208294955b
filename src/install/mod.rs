//! `shim install`: writes the gateway into a Claude client's configuration, and offers the permission for its tools;
//! `shim uninstall` takes both back.
//!
//! A file is changed only where it must be, backed up, replaced in one step, and never touched if it is broken; of two files
//! both are changed or none.

mod client;
mod edit;
mod merge;
mod permissions;
mod write;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::error::CliError;
use crate::output::lines::block;
use crate::output::say;
use crate::program_path::program_path;

use write::Edit;

pub(crate) use client::Client;
pub(crate) use merge::{ENTRY, SERVERS};

/// Which client.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The client to connect
    #[arg(value_enum)]
    client: Client,
    /// Only print the entry and the file it belongs to
    #[arg(long)]
    print: bool,
    /// Claude Code: write ./.mcp.json, for this project only, instead of the user's configuration
    #[arg(long)]
    project: bool,
    #[command(flatten)]
    permissions: permissions::PermissionArgs,
}

/// Which client to take SHIM out of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Sessions and their checkpoints stay where they are.")]
pub(crate) struct UninstallArgs {
    /// The client to disconnect
    #[arg(value_enum)]
    client: Client,
    /// Claude Code: ./.mcp.json of this project instead of the user's configuration
    #[arg(long)]
    project: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim install claude-code                 for all your projects
  shim install claude-code --allow-tools   and allow its tools without being asked for each call
  shim install claude-code --project       for the project in this folder
  shim install claude-desktop --print      only show what would be written";

/// Merges the entry into the client's file.
pub(crate) fn run(args: &Args, config: &Config, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let path = file(args.client, args.project)?;
    let entry = entry(config)?;
    tell_unlikely_folder(args.client);
    if args.print {
        let whole = json!({ SERVERS: { ENTRY: entry } });
        let whole = serde_json::to_string_pretty(&whole).map_err(std::io::Error::from)?;
        writeln!(out, "{}", path.display())?;
        block(out, whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Everything is looked at before anything is written.
    let connection = Edit::plan(&path, |text| merge::merge(text, &entry))?;
    let permission = match args.client {
        Client::ClaudeCode => {
            let settings = permissions::file(&args.client.file()?, args.project)?;
            Some(args.permissions.plan(&settings, out)?)
        }
        Client::ClaudeDesktop => None,
    };
    let edit = permission
        .as_ref()
        .and_then(|planned| planned.edit.as_ref());
    let edits: Vec<&Edit> = std::iter::once(&connection).chain(edit).collect();
    write::write_all(&edits, out)?;
    let client = args.client;
    if connection.changes() {
        writeln!(out, "{client} is connected; {}", client.next_step())?;
    } else {
        writeln!(out, "{client} is connected already: {}", path.display())?;
    }
    if let Some(said) = permission.and_then(|planned| planned.said) {
        writeln!(out, "{said}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes out of the client's file what `install` wrote, and the permission.
pub(crate) fn uninstall(args: &UninstallArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let path = file(args.client, args.project)?;
    tell_unlikely_folder(args.client);
    let mut edits = vec![Edit::plan(&path, edit::disconnect)?];
    if args.client == Client::ClaudeCode {
        let settings = permissions::file(&args.client.file()?, args.project)?;
        edits.push(Edit::plan(&settings, |text| {
            edit::disallow(text, permissions::RULE)
        })?);
    }
    write::write_all(&edits.iter().collect::<Vec<_>>(), out)?;
    if edits.iter().any(Edit::changes) {
        writeln!(
            out,
            "{} is disconnected; it takes effect when it starts anew",
            args.client
        )?;
    } else {
        writeln!(out, "{} is not connected: {}", args.client, path.display())?;
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

/// The client's file, of the user or of the project.
fn file(client: Client, is_project: bool) -> Result<PathBuf, CliError> {
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

/// What starts the gateway of this very program on the stack that was chosen by flags.
fn entry(config: &Config) -> Result<Map<String, Value>, CliError> {
    let command = program_path()?;
    let command = command
        .to_str()
        .ok_or_else(|| CliError::new("the path of this program is not UTF-8"))?;
    let args: Vec<&str> = config
        .flags
        .iter()
        .map(String::as_str)
        .chain(["gateway"])
        .collect();
    Ok([
        ("command".to_owned(), json!(command)),
        ("args".to_owned(), json!(args)),
    ]
    .into_iter()
    .collect())
}
