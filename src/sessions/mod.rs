//! `shim sessions`: sessions and their checkpoints, a file for each subcommand.
//!
//! Sessions are named by their id, by its last eight digits (as the tables show), or by a beginning of six or more.

mod backup;
mod delete;
mod diff;
mod dismiss;
mod end;
mod export;
mod find;
mod fork;
mod gaps;
mod held;
mod import;
mod list;
mod observed;
mod open_work;
mod pages;
#[cfg(test)]
mod printed;
mod prune;
mod recover;
mod restore;
mod restore_backup;
mod search;
mod show;
mod verify;
mod verify_remote;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::error::CliError;

pub(crate) use find::{reader as find_reader, session as find};
pub(crate) use gaps::set_aside_line;
pub(crate) use list::table;
pub(crate) use pages::{SessionFilter, list_all};

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List sessions, most recently changed first
    List(list::Args),
    /// Show one session, its newest checkpoint and its history
    Show(show::Args),
    /// Search tasks, summaries, decisions, steps and blockers
    Search(search::Args),
    /// Print a line for every change as it happens
    Watch(watch::Args),
    /// Print the checked resume prompt of a session
    Restore(restore::Args),
    /// Start a new session from a checkpoint
    Fork(fork::Args),
    /// Compare two checkpoints
    Diff(diff::Args),
    /// Take an interrupted session off the recovery list; nothing is deleted
    Dismiss(dismiss::Args),
    /// End a session for good; its checkpoints stay
    End(end::Args),
    /// Delete a session with all its checkpoints
    Delete(delete::Args),
    /// Drop old checkpoint contents and ended sessions
    Prune(prune::Args),
    /// Write sessions as JSON lines
    Export(export::Args),
    /// Take in what export wrote, whole or not at all; what is there already is skipped
    Import(import::Args),
    /// Make a session of what a transcript of Claude Code tells, or list the transcripts there are
    Recover(recover::Args),
    /// Copy the database while it is in use
    Backup(backup::Args),
    /// Go back to a backup; the stack is stopped meanwhile, and the database from before is kept
    RestoreBackup(restore_backup::Args),
    /// Read every row and check it against its hash, its place in the chain and the other tables
    Verify(verify::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim sessions list --status interrupted
  shim sessions show 9a0b1c2d
  shim sessions search '\"token bucket\" limiter'
  shim sessions export --output sessions.jsonl
  shim sessions delete 9a0b1c2d";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let service = connection::checkpoints(config);
    match command {
        Command::List(args) => {
            let set_aside = gaps::set_aside(config);
            list::run(&args, service.await?, &set_aside, out).await
        }
        Command::Show(args) => show::run(&args, service.await?, out).await,
        Command::Search(args) => search::run(&args, service.await?, out).await,
        Command::Watch(args) => watch::run(&args, service.await?, out).await,
        Command::Restore(args) => restore::run(&args, service.await?, out).await,
        Command::Fork(args) => fork::run(args, service.await?, out).await,
        Command::Diff(args) => diff::run(&args, service.await?, out).await,
        Command::Dismiss(args) => dismiss::run(&args, service.await?, out).await,
        Command::End(args) => end::run(&args, service.await?, out).await,
        Command::Delete(args) => delete::run(&args, service.await?, out).await,
        Command::Prune(args) => prune::run(&args, service.await?, out).await,
        Command::Export(args) => export::run(&args, service.await?, out).await,
        Command::Import(args) => import::run(&args, service.await?, out).await,
        // A list needs no service.
        Command::Recover(args) => recover::run(&args, config, out).await,
        Command::Verify(args) => {
            let set_aside = gaps::set_aside(config);
            verify::run(&args, config, &set_aside, out).await
        }
        // The backup copies the database itself, whether or not the service runs.
        Command::Backup(args) => backup::run(&args, config, out),
        // Nothing may use the database meanwhile.
        Command::RestoreBackup(args) => restore_backup::run(&args, config, out).await,
    }
}
