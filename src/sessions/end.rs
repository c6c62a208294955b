//! `shim sessions end`: ends a session for good; its checkpoints stay until they are deleted.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{EndSessionRequest, SessionOutcome};
use shim_render::text::short_id;

use super::find;
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;

/// Which session, and how it ended.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    session: String,
    /// The work was given up, not finished
    #[arg(long)]
    abandoned: bool,
    /// End it although a client owns it now
    #[arg(long)]
    force: bool,
    /// Print canonical proto JSON (an EndSessionResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let session = find::session(&mut service, &args.session).await?;
    let outcome = if args.abandoned {
        SessionOutcome::Abandoned
    } else {
        SessionOutcome::Completed
    };
    let end = EndSessionRequest {
        request_id: request_id(),
        session_id: session.id.clone(),
        // Epoch 0 is no owner's: the service refuses it while a client owns the session.
        epoch: if args.force { session.epoch } else { 0 },
        outcome: outcome.into(),
    };
    let ended = call(service.end_session(request(end))).await?;
    emit(args.json, &ended, out, |out| {
        writeln!(
            out,
            "{} is ended; its checkpoints stay",
            short_id(&session.id)
        )
    })
}
