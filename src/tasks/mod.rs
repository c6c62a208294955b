//! `shim tasks`: jobs and their tasks, a file for each subcommand.
//!
//! A task is named by its id, by its last eight digits (as the tables show), by a beginning of six or more, or, as part
//! of a job, by JOB/KEY.

mod approve;
mod cancel;
mod event_log;
mod find;
pub(crate) mod health;
mod job;
mod labels;
mod list;
mod live;
mod outcome_args;
pub(crate) mod own_job;
pub(crate) mod pages;
mod plan_words;
#[cfg(test)]
mod printed;
mod prune;
mod queue_changes;
mod results;
mod retry;
mod show;
mod submit;
mod submit_args;
mod subtask_file;
mod tree;
mod watch;
mod worker_names;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::error::CliError;
use crate::surroundings;

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Give a job to whoever can do it
    Submit(Box<submit_args::Args>),
    /// List jobs, newest first, or the subtasks of one
    List(list::Args),
    /// Show one task, its subtasks and how it ended
    Show(show::Args),
    /// Watch a job until it ends: a live tree at a terminal, else a line for every event
    Watch(watch::Args),
    /// Print the merged result of a job
    Results(results::Args),
    /// Call off a task and what hangs on it
    Cancel(cancel::Args),
    /// Take up again what failed or was called off
    Retry(retry::Args),
    /// Decide at a gate
    Approve(approve::Args),
    /// See what waits, who can take it, and what needs a look
    Health(health::Args),
    /// Pause queues: nobody gets a task of them, and what runs goes on
    Pause(queue_changes::Args),
    /// Let paused queues go on, whichever program paused them
    Resume(queue_changes::Args),
    /// Forget jobs that ended long ago, and the files with their output
    Prune(prune::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim tasks submit 'port the parser' --file 'src/parser/**' --require rust
  shim tasks list --state running
  shim tasks watch 9a0b1c2d
  shim tasks show 9a0b1c2d/parse
  shim tasks results 9a0b1c2d > result.md
  shim tasks retry 9a0b1c2d

A task is named by its id, its last eight digits as the tables show, or JOB/KEY for a part of a job.";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let service = connection::coordination(config);
    match command {
        Command::Submit(args) => submit::run(&args, config, out).await,
        Command::List(args) => list::run(&args, service.await?, out).await,
        Command::Show(args) => show::run(&args, service.await?, out).await,
        Command::Watch(args) => watch::run(&args, service.await?, out).await,
        Command::Results(args) => results::run(&args, service.await?, out).await,
        Command::Cancel(args) => cancel::run(&args, service.await?, out).await,
        Command::Retry(args) => retry::run(&args, service.await?, out).await,
        Command::Approve(args) => approve::run(&args, service.await?, out).await,
        Command::Health(args) => {
            let code = health::run(&args, service.await?, out).await?;
            surroundings::warn(config);
            Ok(code)
        }
        Command::Pause(args) => queue_changes::pause(&args, service.await?, out).await,
        Command::Resume(args) => queue_changes::resume(&args, service.await?, out).await,
        Command::Prune(args) => prune::run(&args, config, out).await,
    }
}
