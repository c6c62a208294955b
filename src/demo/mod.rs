//! `shim demo`: a session is saved, killed with its gateway, and brought back, through the real gateway and services.
//!
//! Every line of output was received from them. What the story claims is checked as it goes; the first claim that
//! does not hold ends it with exit code 1. Whatever happens, nothing is left behind.

mod claude;
mod project;
mod stage;
mod story;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use shim_runtime::lifecycle::Shutdown;

use crate::config::Config;
use crate::failure::Failure;
use stage::Stage;

/// Where to play.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --on-stack it plays on a throw-away data folder with a stack of its own."
)]
pub(crate) struct Args {
    /// Play against the local stack, and delete the demo's session afterwards
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
        played = story::play(&mut stage, out) => played,
        () = shutdown.wait() => Err(Failure::new("interrupted")),
    };
    let cleared = stage.clear().await;
    played?;
    cleared?;
    writeln!(
        out,
        "\nThe whole story took {:.1} s; nothing of it is left behind.",
        started.elapsed().as_secs_f64()
    )?;
    Ok(ExitCode::SUCCESS)
}
