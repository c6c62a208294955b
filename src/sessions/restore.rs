//! `shim sessions restore`: prints the resume prompt of a session, its claims checked against the files here.
//!
//! The command does not stay to own the session: it lets go at once, so that a gateway can adopt it.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, ClientInfo, Detach, GetCheckpointRequest, GitState, FileState,
    RestoreCheckpointRequest, RestoreCheckpointResponse, Session, attach_session_request::Message,
};
use shim_runtime::process;
use tonic::{Code, Request};

use super::find;
use crate::connection::{Checkpoints, request, request_id};
use crate::failure::Failure;
use crate::output::json;
use crate::output::text::{printable, short_id};

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

pub(super) async fn run(args: &Args, mut service: Checkpoints, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let checkpoint = find::checkpoint(&mut service, &args.session).await?;
    let (current_files, current_git) = evidence(&mut service, &checkpoint.id).await?;
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
    let restored = service.restore_checkpoint(request(restore)).await?.into_inner();
    if let Some(session) = &restored.session {
        let_go(&mut service, session).await?;
    }
    print(&restored, args.json, out)?;
    Ok(ExitCode::SUCCESS)
}

fn print(restored: &RestoreCheckpointResponse, as_json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if as_json {
        return json::write_line(out, restored);
    }
    writeln!(out, "{}", printable(&restored.resume_prompt).trim_end())?;
    if let Some(session) = &restored.session {
        eprintln!("session {} is free for the next client that restores it", short_id(&session.id));
    }
    Ok(())
}

/// Attaches and detaches, so that the session is free now and not when the lease of nobody ends.
async fn let_go(service: &mut Checkpoints, session: &Session) -> Result<(), Failure> {
    let attach = Attach { session_id: session.id.clone(), epoch: session.epoch, client: Some(own_client()) };
    let detach = Detach { reason: "restored at the command line".to_owned() };
    let said = [Message::Attach(attach), Message::Detach(detach)];
    let said = said.map(|message| AttachSessionRequest { message: Some(message) });
    let mut heard = service.attach_session(Request::new(tokio_stream::iter(said))).await?.into_inner();
    while heard.message().await?.is_some() {}
    Ok(())
}

/// Who a command is to the service.
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
