//! `shim state`: the shared state of a project, a file for each subcommand.

mod clear;
mod client;
mod delete;
mod get;
mod list;
mod patch;
#[cfg(test)]
mod printed;
mod put;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::error::CliError;

/// What can be done with shared state.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List the entries of a namespace
    List(list::Args),
    /// Print an entry's value as JSON, and on stderr its version, writer and end
    Get(get::Args),
    /// Write an entry whole
    Put(put::Args),
    /// Set and remove single fields of an entry
    Patch(patch::Args),
    /// Delete an entry
    Delete(delete::Args),
    /// Delete the entries of a namespace, or those whose keys begin alike
    Clear(clear::Args),
    /// Print the entries, then a line for every change as it happens
    Watch(watch::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim state put plan '{\"step\": 1, \"owner\": \"window 2\"}' --ttl 1d
  shim state get plan | jq .step
  shim state patch plan '{\"step\": 2}' --remove owner --expect 17
  shim state watch --prefix build/

Every change gives an entry a higher version; --expect makes a write fail if somebody else wrote since.

The namespace is -n, else `workspace` of the configuration (SHIM_WORKSPACE), else the path of the git repository the
command is run in, else \"default\".";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    match command {
        Command::List(args) => list::run(&args, config, out).await,
        Command::Get(args) => get::run(&args, config, out).await,
        Command::Put(args) => put::run(&args, config, out).await,
        Command::Patch(args) => patch::run(&args, config, out).await,
        Command::Delete(args) => delete::run(&args, config, out).await,
        Command::Clear(args) => clear::run(&args, config, out).await,
        Command::Watch(args) => watch::run(&args, config, out).await,
    }
}
