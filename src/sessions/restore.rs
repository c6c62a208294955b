//! `shim sessions restore`: prints the resume prompt of a session, its claims checked against the files here.
//!
//! The command releases the session at once, so that a gateway can adopt it.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use shim_gateway::evidence::inspect_project;
use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, Checkpoint, ClientInfo, Detach, FileState, GetCheckpointRequest,
    GetSessionRequest, GitState, RestoreCheckpointRequest, RestoreCheckpointResponse, Session,
};
use shim_render::text::{printable, short_id};
use shim_runtime::process;
use tonic::Request;

use super::find;
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::json;

/// What to restore.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session, or SESSION:NUMBER for an older checkpoint
    session: String,
    /// Take the session although a client holds it now
    #[arg(long)]
    take_over: bool,
    /// Print canonical proto JSON (a RestoreCheckpointResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let checkpoint = find::checkpoint(&mut service, &args.session).await?;
    let (current_files, current_git) = evidence(&mut service, &checkpoint).await?;
    let restore = RestoreCheckpointRequest {
        request_id: request_id(),
        session_id: checkpoint.session_id,
        checkpoint_id: checkpoint.id,
        take_over: args.take_over,
        client: Some(own_client()),
        current_files,
        current_git,
        ..RestoreCheckpointRequest::default()
    };
    let restored = call(service.restore_checkpoint(request(restore))).await?;
    if let Some(session) = &restored.session {
        release_session(&mut service, session).await?;
    }
    print(&restored, args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

fn print(
    restored: &RestoreCheckpointResponse,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if as_json {
        return json::write_line(out, restored);
    }
    writeln!(out, "{}", printable(&restored.resume_prompt).trim_end())?;
    if let Some(session) = &restored.session {
        eprintln!(
            "session {} is free for the next client that restores it",
            short_id(&session.id)
        );
    }
    Ok(())
}

/// What the files and the repository of the session's project look like on this machine now.
async fn evidence(
    service: &mut Checkpoints,
    checkpoint: &Checkpoint,
) -> Result<(Vec<FileState>, Option<GitState>), CliError> {
    let asked = GetSessionRequest {
        session_id: checkpoint.session_id.clone(),
    };
    let session = call(service.get_session(request(asked)))
        .await?
        .session
        .unwrap_or_default();
    let asked = GetCheckpointRequest {
        checkpoint_id: checkpoint.id.clone(),
        ..GetCheckpointRequest::default()
    };
    let state = call(service.get_checkpoint(request(asked)))
        .await?
        .state
        .unwrap_or_default();
    // A project may be any name, which says nothing of the present folder: then only absolute paths can be looked at.
    let is_folder = Path::new(&session.project).is_absolute();
    let present = std::env::current_dir().ok().filter(|_| is_folder);
    Ok(inspect_project(&session.project, present.as_deref(), &state).await)
}

/// Attaches and detaches, so that the session is free at once and not only when its lease expires.
pub(super) async fn release_session(
    service: &mut Checkpoints,
    session: &Session,
) -> Result<(), CliError> {
    let attach = Attach {
        session_id: session.id.clone(),
        epoch: session.epoch,
        client: Some(own_client()),
    };
    let detach = Detach {
        reason: "restored at the command line".to_owned(),
    };
    let messages = [Message::Attach(attach), Message::Detach(detach)];
    let messages = messages.map(|message| AttachSessionRequest {
        message: Some(message),
    });
    let attach = Request::new(tokio_stream::iter(messages));
    let mut answers = call(service.attach_session(attach)).await?;
    while answers.message().await?.is_some() {}
    Ok(())
}

/// The command line as a client of the service.
pub(super) fn own_client() -> ClientInfo {
    ClientInfo {
        name: "shim".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: process::hostname(),
        boot_id: process::boot_id(),
        client_process: process::parent(),
        gateway_process: Some(process::own()),
        conversation: String::new(),
    }
}
