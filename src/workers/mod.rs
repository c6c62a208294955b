//! `shim workers`: the workers and their tasks, and the start and stop of workers with an executor.

mod drain;
pub(crate) mod find;
mod health;
mod labels;
mod list;
pub(crate) mod pages;
#[cfg(test)]
mod printed;
mod show;
mod start;
mod stop;
mod watch;
mod work;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::error::CliError;

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
    /// Start a worker with an executor from the configuration
    Start(start::Args),
    /// Let a worker finish what it has and take nothing new; then it stops
    Drain(drain::Args),
    /// Stop a worker now; its tasks go to others
    Stop(stop::Args),
    /// See how the workers of the worker service are, and what each does
    Health(health::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim workers list
  shim workers list --capability rust --all
  shim workers show 9a0b1c2d
  shim workers watch --json | jq .changed.worker.name
  shim workers start claude --capacity 2
  shim workers drain 9a0b1c2d --deadline 10m

The workers that are started here run in the worker service; Claude windows are workers of their own.";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let service = connection::coordination(config);
    match command {
        Command::List(args) => list::run(args, service.await?, out).await,
        Command::Show(args) => show::run(&args, service.await?, out).await,
        Command::Watch(args) => watch::run(&args, service.await?, out).await,
        Command::Start(args) => start::run(args, connection::worker_host(config).await?, out).await,
        Command::Drain(args) => drain::run(&args, config, out).await,
        Command::Stop(args) => stop::run(&args, config, out).await,
        Command::Health(args) => health::run(&args, config, out).await,
    }
}
