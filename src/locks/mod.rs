//! `shim locks`: the held locks and their owners; and the release of a lock whose owner is lost.

mod list;
#[cfg(test)]
mod printed;
mod release;
mod show;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::error::CliError;

/// What can be done with locks.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List the locks that are held
    List(list::Args),
    /// Show who holds a lock
    Show(show::Args),
    /// Take a lock from its holder; its writes with that lock are refused from then on
    Release(release::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim locks list
  shim locks show schema
  shim locks release schema --force

The namespace is -n, else `workspace` of the configuration (SHIM_WORKSPACE), else the path of the git repository the
command is run in, else \"default\".";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let service = connection::coordination(config).await?;
    match command {
        Command::List(args) => {
            let namespace = args.namespace_args.resolve(config)?;
            list::run(&args, namespace, service, out).await
        }
        Command::Show(args) => {
            let namespace = args.namespace_args.resolve(config)?;
            show::run(&args, namespace, service, out).await
        }
        Command::Release(args) => {
            let namespace = args.namespace_args.resolve(config)?;
            release::run(&args, namespace, service, out).await
        }
    }
}
