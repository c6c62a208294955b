//! `shim sessions fork`: a new session that starts from a checkpoint of another.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::ForkSessionRequest;
use shim_render::text::short_id;

use super::find;
use super::restore::{own_client, release_session};
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::remedies::Placeholder;

/// Where to fork.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A checkpoint id, or SESSION:NUMBER, or SESSION for its newest
    checkpoint: String,
    /// Title of the new session [default: the old one's]
    #[arg(long)]
    title: Option<String>,
    /// Print canonical proto JSON (a ForkSessionResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let checkpoint = find::checkpoint(&mut service, &args.checkpoint).await?;
    let session_id = checkpoint.session_id.clone();
    let fork = ForkSessionRequest {
        request_id: request_id(),
        checkpoint_id: checkpoint.id,
        title: args.title.unwrap_or_default(),
        client: Some(own_client()),
    };
    let forked = call(service.fork_session(request(fork))).await;
    let forked =
        forked.map_err(|status| CliError::from(status).about(Placeholder::Session, &session_id))?;
    if let Some(session) = &forked.session {
        release_session(&mut service, session).await?;
    }
    emit(args.json, &forked, out, |out| {
        let Some(session) = &forked.session else {
            return Ok(());
        };
        let (id, number) = (short_id(&session.id), checkpoint.number);
        writeln!(out, "forked {id} from checkpoint #{number}")
    })
}
