//! `shim demo`, through the real gateway and services: a session is saved, killed with its gateway, and brought back;
//! then three windows work on one job, one of them is killed, and another goes on with its part.
//!
//! Every quoted line was received from the gateway or a service. Every claim is checked; the first claim that does not
//! hold ends the demo with exit code 1. The demo removes all it made, also after a failure.

mod mcp_client;
mod narration;
mod project;
mod sandbox;
mod session_demo;
mod team_demo;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use shim_runtime::lifecycle::Shutdown;

use crate::config::Config;
use crate::error::CliError;
use project::Project;
use sandbox::Sandbox;

/// Where to play.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --on-stack it plays on a throw-away data folder with a stack of its own, which takes a silent \
        worker for dead after 1 s instead of 5."
)]
pub(crate) struct Args {
    /// Play the first half, with one session, against the local stack, and delete that session afterwards
    #[arg(long)]
    on_stack: bool,
}

/// Plays the demos and cleans up.
pub(crate) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let started = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    let mut sandbox = if args.on_stack {
        Sandbox::on_stack(config).await?
    } else {
        Sandbox::temporary(config).await?
    };
    let played = tokio::select! {
        played = play(&mut sandbox, out) => played,
        () = shutdown.wait() => Err(CliError::new("interrupted")),
    };
    let cleared = sandbox.clean_up().await;
    played?;
    cleared?;
    writeln!(out)?;
    writeln!(
        out,
        "It took {:.1} s; nothing of it is left behind.",
        started.elapsed().as_secs_f64()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Both demos; the second one only on a stack of its own with a Redis.
async fn play(sandbox: &mut Sandbox, out: &mut dyn Write) -> Result<(), CliError> {
    let project = Project::make(sandbox.folder())?;
    session_demo::play(sandbox, &project, out).await?;
    match sandbox.why_no_team_demo() {
        None => team_demo::play(sandbox, &project, out).await,
        Some(why) => {
            writeln!(out)?;
            Ok(writeln!(out, "The team's half is left out: {why}.")?)
        }
    }
}
