//! `shim sessions dismiss`: takes an interrupted session off the recovery list.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::DismissRecoveryRequest;
use shim_render::text::short_id;

use super::find;
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::remedies::Placeholder;

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
    let dismissed = call(service.dismiss_recovery(request(dismiss))).await;
    let dismissed = dismissed
        .map_err(|status| CliError::from(status).about(Placeholder::Session, &session_id))?;
    emit(args.json, &dismissed, out, |out| {
        writeln!(
            out,
            "{} is not offered for recovery any more; nothing was deleted",
            short_id(&session_id)
        )
    })
}
