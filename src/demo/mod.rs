//! `shim demo`, through the real gateway and services: a session is saved, killed with its gateway, and brought back;
//! then three windows work on one job, one of them is killed, and another goes on with its part.
//!
//! Every line of output was received from them. What the story claims is checked as it goes; the first claim that
//! does not hold ends it with exit code 1. Whatever happens, nothing is left behind.

mod claude;
mod project;
mod stage;
mod story;
mod team;
mod telling;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use shim_runtime::lifecycle::Shutdown;

use crate::config::Config;
use crate::failure::Failure;
use project::Project;
use stage::Stage;

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

/// Plays the story and cleans up.
pub(crate) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    let mut stage = if args.on_stack {
        Stage::on_stack(config).await?
    } else {
        Stage::throw_away(config).await?
    };
    let played = tokio::select! {
        played = play(&mut stage, out) => played,
        () = shutdown.wait() => Err(Failure::new("interrupted")),
    };
    let cleared = stage.clear().await;
    played?;
    cleared?;
    writeln!(
        out,
        "\nIt took {:.1} s; nothing of it is left behind.",
        started.elapsed().as_secs_f64()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Both stories; the second one where it can be played.
async fn play(stage: &mut Stage, out: &mut dyn Write) -> Result<(), Failure> {
    let project = Project::make(stage.folder())?;
    story::play(stage, &project, out).await?;
    match stage.lacks_for_a_team() {
        None => team::play(stage, &project, out).await,
        Some(why) => Ok(writeln!(out, "\nThe team's half is left out: {why}.")?),
    }
}
