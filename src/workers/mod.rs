//! `shim workers`: who can work, how loaded each is, and who died.

mod list;
mod show;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::failure::Failure;

pub(crate) use list::page;
pub(crate) use show::find;

/// What can be done with workers.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List the workers that live
    List(list::Args),
    /// Show one worker
    Show(show::Args),
    /// Print a line for every change as it happens
    Watch(watch::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim workers list
  shim workers list --capability rust --all
  shim workers show 9a0b1c2d
  shim workers watch --json | jq .changed.worker.name";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let service = connection::coordination(config).await?;
    match command {
        Command::List(args) => list::run(args, service, out).await,
        Command::Show(args) => show::run(&args, service, out).await,
        Command::Watch(args) => watch::run(&args, service, out).await,
    }
}
