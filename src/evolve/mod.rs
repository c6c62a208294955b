//! `shim evolve`: changes of a project, from their proposal to their end, and whose code may run for them.

mod approve;
mod diff;
mod list;
mod nightly;
pub(crate) mod paths;
#[cfg(test)]
mod printed;
pub(crate) mod progress;
mod propose;
mod reject;
mod revert;
mod show;
pub(crate) mod transforms;
pub(crate) mod trust;
mod words;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::connection;
use crate::error::CliError;

/// What to propose, or what to do with a proposal.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[group(skip)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    propose: propose::Args,
}

/// What can be done with evolutions.
#[derive(Debug, Subcommand)]
enum Command {
    /// List evolutions, the newest first
    List(list::Args),
    /// Show one with its diff, its risk and what verification said
    Show(show::Args),
    /// Apply one in a worktree of its own, verify it, and commit it on its branch or discard it
    Approve(approve::Args),
    /// Turn one down
    Reject(reject::Args),
    /// Take a committed one back
    Revert(revert::Args),
    /// List the transforms there are
    Transforms(transforms::Args),
    /// Say whether a project's own code may run; the same as `shim trust`
    Trust(trust::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim evolve .                          propose changes; nothing is changed
  shim evolve . --transform dead-code    only this transform
  shim evolve . --custom codemod.js      the project's own jscodeshift transform
  shim evolve show 9a0b1c2d              its diff, and why
  shim evolve approve 9a0b1c2d           verified, then committed on a branch of its own
  shim evolve revert 9a0b1c2d
  shim evolve . --nightly --limit 3      every night at 3 UTC; what is proposed waits
  shim evolve ./list                     a folder that is called like one of the commands

The working tree is never touched: an approved evolution is a branch, which you merge.";

/// Runs one of them.
pub(crate) async fn run(
    args: Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let Some(command) = args.command else {
        return propose::run(args.propose, config, out).await;
    };
    let service = connection::evolution(config);
    match command {
        Command::List(args) => list::run(&args, service.await?, out).await,
        Command::Show(args) => show::run(&args, service.await?, out).await,
        Command::Approve(args) => approve::run(args, service.await?, out).await,
        Command::Reject(args) => reject::run(args, service.await?, out).await,
        Command::Revert(args) => revert::run(args, service.await?, out).await,
        Command::Transforms(args) => transforms::run(&args, service.await?, out).await,
        Command::Trust(args) => trust::run(&args, config, out).await,
    }
}
