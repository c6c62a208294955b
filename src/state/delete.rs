//! `shim state delete`: deletes an entry.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::DeleteStateRequest;

use super::Site;
use crate::caller::Place;
use crate::connection::{request, request_id};
use crate::failure::Failure;
use crate::output::json;

/// Which entry.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The entry
    key: String,
    #[command(flatten)]
    pub(super) place: Place,
    /// Delete only this version
    #[arg(long, value_name = "VERSION")]
    expect: Option<u64>,
    /// Print canonical proto JSON (a DeleteStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut site: Site,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let delete = DeleteStateRequest {
        request_id: request_id(),
        namespace: site.namespace.clone(),
        key: args.key.clone(),
        expected_version: args.expect,
        fence: None,
    };
    let deleted = site.service.state.delete_state(request(delete)).await?;
    let deleted = deleted.into_inner();
    if args.json {
        json::write_line(out, &deleted)?;
    } else if deleted.existed {
        writeln!(out, "{} is deleted", args.key)?;
    } else {
        writeln!(out, "there was no {} in {}", args.key, site.namespace)?;
    }
    Ok(ExitCode::SUCCESS)
}
