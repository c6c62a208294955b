//! `shim messages`: durable messages to sessions and workers.

mod clear;
#[cfg(test)]
mod printed;
mod read;
mod recipients;
mod send;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::error::CliError;

/// What can be done with messages.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Put a message into an inbox; Claude sees it with its next call of a tool
    Send(send::Args),
    /// Print the messages of an inbox
    Read(read::Args),
    /// Take all messages out of an inbox, so that others find room
    Clear(clear::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim messages send --session 9a0b1c2d 'the schema is merged, go on with the index'
  shim messages send --capability rust 'please leave src/store alone until noon'
  shim messages read 9a0b1c2d
  shim messages read 9a0b1c2d --ack
  shim messages clear 9a0b1c2d";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let service = connection::coordination(config).await?;
    match command {
        Command::Send(args) => send::run(&args, config, service, out).await,
        Command::Clear(args) => clear::run(&args, config, service, out).await,
        Command::Read(args) => read::run(&args, config, service, out).await,
    }
}
