//! `shim trust`: whether a project's own code may run. A command that needs it asks once at a terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_proto::evolution::v1::{TrustProjectRequest, TrustProjectResponse};
use shim_proto::reasons::PROJECT_NOT_TRUSTED;
use shim_render::text::name;

use super::paths::absolute_path;
use crate::config::Config;
use crate::connection::{self, Evolution as Service, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::say;

/// Which project.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The project
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Take the trust back
    #[arg(long)]
    revoke: bool,
    /// Print canonical proto JSON (a TrustProjectResponse)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim trust .
  shim trust . --revoke

What may run then, with the rights of the evolution service: the project's own ESLint configuration with its plugins, its
tests with their configuration, transforms of yours, and the functions that tests are generated for. SECURITY.md says what
is held back from them. The setting evolution.trusted names folders whose projects are all trusted.";

/// Keeps the decision.
pub(crate) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let path = absolute_path(&args.path)?;
    let mut service = connection::evolution(config).await?;
    let decided = decide(&mut service, path, !args.revoke).await?;
    emit(args.json, &decided, out, |out| {
        let project = decided.project.clone().unwrap_or_default();
        let verdict = if project.is_trusted {
            "may run"
        } else {
            "does not run"
        };
        writeln!(out, "the code of {} {verdict}", name(&project.root, 200))
    })
}

async fn decide(
    service: &mut Service,
    path: String,
    trust: bool,
) -> Result<TrustProjectResponse, CliError> {
    let asked = TrustProjectRequest {
        request_id: request_id(),
        path,
        trust,
    };
    Ok(call(service.trust_project(request(asked))).await?)
}

/// Asks at a terminal whether the code of a project may run, if a call was refused because nobody decided yet. The answer
/// is kept, and `true` says that the call may be tried again.
pub(crate) async fn ask(
    refused: &CliError,
    path: &str,
    service: &mut Service,
) -> Result<bool, CliError> {
    let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !refused.is_for(PROJECT_NOT_TRUSTED) || !is_terminal {
        return Ok(false);
    }
    say::line(format_args!(
        "This needs code of {} to run:",
        name(path, 200)
    ));
    say::line(
        "its ESLint configuration with plugins, its tests with their configuration, transforms and functions of it.",
    );
    say::line(
        "It runs with your rights: trust it if you would run its tests yourself. This is asked once.",
    );
    say::part("May it run? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let is_yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    decide(service, path.to_owned(), is_yes).await?;
    if !is_yes {
        say::line("note: `shim trust PATH` allows it later");
    }
    Ok(is_yes)
}
