//! `shim sessions dismiss`: takes an interrupted session off the recovery list.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::DismissRecoveryRequest;

use super::find;
use crate::connection::{Checkpoints, request, request_id};
use crate::error::CliError;
use crate::output::json;
use crate::output::text::short_id;

/// Which session.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    session: String,
    /// Print canonical proto JSON (a DismissRecoveryResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let session_id = find::session(&mut service, &args.session).await?.id;
    let dismiss = DismissRecoveryRequest {
        request_id: request_id(),
        session_id: session_id.clone(),
    };
    let dismissed = service
        .dismiss_recovery(request(dismiss))
        .await?
        .into_inner();
    if args.json {
        json::write_line(out, &dismissed)?;
    } else {
        writeln!(
            out,
            "{} is not offered for recovery any more; nothing was deleted",
            short_id(&session_id)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
