//! `shim install`: writes the gateway into a Claude client's configuration, and offers the permission for its tools;
//! `shim uninstall` takes both back.
//!
//! A file is changed only where it must be, backed up, replaced in one step, and never touched if it is broken; of two files
//! both are changed or none.

mod client;
mod edit;
mod judge;
mod merge;
mod permissions;
mod scopes;
mod write;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::error::CliError;
use crate::output::lines::block;
use crate::output::say;
use crate::program_path::program_path;

use write::Edit;

pub(crate) use client::Client;
pub(crate) use judge::Here;
pub(crate) use merge::{ENTRY, SERVERS};
pub(crate) use scopes::{Hindrance, Scopes};
pub(crate) use write::without_mark;

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
    let permission = plan_permission(args, out)?;
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
    tell_hindrances(args, &path, config, out)?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be allowed. Claude Desktop has no such file: it asks in its window.
fn plan_permission(
    args: &Args,
    out: &mut dyn Write,
) -> Result<Option<permissions::PlannedPermission>, CliError> {
    if args.client == Client::ClaudeDesktop {
        return match args.permissions.allow_tools {
            true => Err(
                CliError::usage("only Claude Code has a file of permissions")
                    .hint("leave out --allow-tools; Claude Desktop asks in its window"),
            ),
            false => Ok(None),
        };
    }
    let settings = permissions::file(&args.client.file()?, args.project)?;
    args.permissions.plan(&settings, out).map(Some)
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
