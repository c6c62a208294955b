//! `shim messages`: durable messages to sessions and workers.

mod read;
mod send;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use uuid::Uuid;

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::{sessions, workers};

/// What can be done with messages.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Put a message into an inbox; Claude sees it with its next call of a tool
    Send(send::Args),
    /// Print the messages of an inbox
    Read(read::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim messages send --session 9a0b1c2d 'the schema is merged, go on with the index'
  shim messages send --capability rust 'please leave src/store alone until noon'
  shim messages read 9a0b1c2d
  shim messages read 9a0b1c2d --ack";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let service = connection::coordination(config).await?;
    match command {
        Command::Send(args) => send::run(&args, config, service, out).await,
        Command::Read(args) => read::run(&args, config, service, out).await,
    }
}

/// The id of a session, which need not be known here if it is whole.
async fn session_id(config: &Config, typed: &str) -> Result<String, CliError> {
    if Uuid::try_parse(typed).is_ok() {
        return Ok(typed.to_lowercase());
    }
    let mut service = connection::checkpoints(config).await?;
    Ok(sessions::find(&mut service, typed).await?.id)
}

/// The id of a worker, which need not live if it is whole.
async fn worker_id(service: &mut Coordination, typed: &str) -> Result<String, CliError> {
    if Uuid::try_parse(typed).is_ok() {
        return Ok(typed.to_lowercase());
    }
    Ok(workers::find(service, typed).await?.worker_id)
}
