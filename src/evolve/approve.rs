//! `shim evolve approve`: applies an evolution in a worktree of its own, and tells how its verification goes.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::evolution::v1::approve_evolution_response::Event;
use shim_proto::evolution::v1::{ApproveEvolutionRequest, Evolution, EvolutionState};
use shim_render::text::{one_line, short_id};
use tonic::Request;

use super::progress::ProgressLine;
use super::show::{print_check, print_next_step};
use super::words::state;
use crate::connection::{Evolution as Service, call, request_id};
use crate::error::CliError;
use crate::output::json;

/// Which evolution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if it was verified and committed, 1 if it was discarded.")]
pub(super) struct Args {
    /// The evolution: an id, or its last eight digits
    evolution: String,
    /// Only this file of it; may be given again [default: all]
    #[arg(long, value_name = "PATH")]
    file: Vec<String>,
    /// Print canonical proto JSON, a line for each message (an ApproveEvolutionResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: Args,
    mut service: Service,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = ApproveEvolutionRequest {
        request_id: request_id(),
        evolution_id: args.evolution,
        approve: true,
        reason: String::new(),
        paths: args.file,
    };
    let evolution = decide(&mut service, asked, args.json, out).await?;
    if !args.json {
        let why = match evolution.reason.is_empty() {
            true => String::new(),
            false => format!(": {}", one_line(&evolution.reason, 1_000)),
        };
        let branch = match evolution.branch.is_empty() {
            true => String::new(),
            false => format!(" on branch {}", one_line(&evolution.branch, 200)),
        };
        writeln!(
            out,
            "{} {}{branch}{why}",
            short_id(&evolution.evolution_id),
            state(evolution.state())
        )?;
        print_next_step(&evolution, out)?;
    }
    Ok(match evolution.state() {
        EvolutionState::Committed => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Decides, tells of the checks as they end, and yields the evolution at its end.
pub(super) async fn decide(
    service: &mut Service,
    asked: ApproveEvolutionRequest,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Evolution, CliError> {
    let mut stream = call(service.approve_evolution(Request::new(asked))).await?;
    let mut decided = None;
    let mut progress = ProgressLine::new();
    while let Some(message) = stream.message().await? {
        if let Some(Event::Progress(done)) = &message.event {
            progress.tell(done);
            continue;
        }
        progress.clear();
        if as_json {
            json::write_line(out, &message)?;
        }
        match message.event {
            Some(Event::Check(check)) if !as_json => print_check(&check, out)?,
            Some(Event::Evolution(evolution)) => decided = Some(evolution),
            _ => {}
        }
        out.flush()?;
    }
    progress.clear();
    decided.ok_or_else(|| {
        CliError::new("the service ended its answer without a verdict")
            .hint("`shim evolve list` tells where the evolution is")
    })
}
