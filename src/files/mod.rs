//! `shim files`: leases on the files of a project, so that no two windows write the same ones.
//!
//! Paths and patterns are typed as for any program and travel relative to the root of the git repository, or to the
//! working folder outside of one.

mod acquire;
mod check;
mod client;
mod list;
#[cfg(test)]
mod printed;
mod release;
mod staged;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::error::CliError;

/// What can be done with leases on files.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List who holds which files
    List(list::Args),
    /// Tell whether any of the files is leased by somebody else; made for pre-commit hooks
    Check(check::Args),
    /// Lease files by patterns, all or none
    Acquire(acquire::Args),
    /// Give leases back
    Release(release::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim files list
  shim files acquire 'src/store/**' --holder window-2 --purpose 'new index' --ttl 30m
  shim files check src/store/index.rs --holder window-2
  shim files check --staged           in .git/hooks/pre-commit
  shim files release --holder window-2

Patterns know *, ?, [a-z], {a,b} and **, and \\ before a character that means itself. A name that is there means itself,
also app/[id]/page.tsx; before it is there it is both, the name and the pattern. Links mean the files that they lead to, and
none may lead out of the workspace; * and ** do not follow them. A pattern covers what lies below what it matches; but a last name with an
extension, such as *.rs or foo.d, is taken for a file, so it covers what lies below only where the other pattern spells
that name out. foo.d/ always means the folder and everything below.
--holder may be given by SHIM_HOLDER. The workspace is -w, else `workspace` of the configuration (SHIM_WORKSPACE), else
the path of the git repository the command is run in, else \"default\".";

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    match command {
        Command::List(args) => list::run(&args, config, out).await,
        Command::Check(args) => check::run(&args, config, out).await,
        Command::Acquire(args) => acquire::run(&args, config, out).await,
        Command::Release(args) => release::run(&args, config, out).await,
    }
}
