//! `shim evolve revert`: takes a committed evolution back.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::evolution::v1::RevertEvolutionRequest;
use shim_render::text::{one_line, short_id};
use tonic::Request;

use super::words::state;
use crate::connection::{Evolution as Service, call, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

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
    /// Print canonical proto JSON (a RevertEvolutionResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: Args,
    mut service: Service,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = RevertEvolutionRequest {
        request_id: request_id(),
        evolution_id: args.evolution,
        reason: args.reason,
    };
    let reverted = call(service.revert_evolution(Request::new(asked))).await?;
    emit(args.json, &reverted, out, |out| {
        let evolution = reverted.evolution.clone().unwrap_or_default();
        let how = match evolution.commit.is_empty() {
            true => "its branch was deleted".to_owned(),
            false => format!("commit {} takes it back", one_line(&evolution.commit, 64)),
        };
        let id = short_id(&evolution.evolution_id);
        writeln!(out, "{id} {}: {how}", state(evolution.state()))
    })
}
