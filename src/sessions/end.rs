//! `shim sessions end`: ends a session for good; its checkpoints stay until they are deleted.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{EndSessionRequest, Session, SessionOutcome};
use shim_proto::reasons::{SESSION_ENDED, SESSION_OWNED};
use shim_render::text::short_id;
use tonic::Status;

use super::find;
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::remedies::Placeholder;

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
    let ended = call(service.end_session(request(end))).await;
    let ended = ended.map_err(|status| refusal(status, args, &session))?;
    emit(args.json, &ended, out, |out| {
        writeln!(
            out,
            "{} is ended; its checkpoints stay",
            short_id(&session.id)
        )
    })
}

fn refusal(status: Status, args: &Args, session: &Session) -> CliError {
    let again = || {
        let abandoned = if args.abandoned { " --abandoned" } else { "" };
        format!(
            "close that client first, or take the session from it: `shim sessions end {}{abandoned} --force`",
            session.id
        )
    };
    let error = CliError::from(status)
        .about(Placeholder::Session, &session.id)
        .hint_for(SESSION_OWNED, again);
    if session.head_number == 0 {
        error.hint_for(SESSION_ENDED, || "nothing was saved in it".to_owned())
    } else {
        error
    }
}
