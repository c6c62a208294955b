//! `shim evolve reject`: turns an evolution down, which its transform is remembered by.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::evolution::v1::ApproveEvolutionRequest;
use shim_render::text::short_id;

use super::approve::decide;
use super::words::state;
use crate::connection::{Evolution as Service, request_id};
use crate::error::CliError;

/// Which evolution.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The evolution: an id, or its last eight digits
    evolution: String,
    /// Why, for those who look at it later
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Print canonical proto JSON (an ApproveEvolutionResponse)
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
        approve: false,
        reason: args.reason,
        paths: Vec::new(),
    };
    let evolution = decide(&mut service, asked, args.json, out).await?;
    if !args.json {
        let id = short_id(&evolution.evolution_id);
        writeln!(out, "{id} {}", state(evolution.state()))?;
    }
    Ok(ExitCode::SUCCESS)
}
