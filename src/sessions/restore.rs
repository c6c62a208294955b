//! `shim sessions restore`: prints the resume prompt of a session, its claims checked against the files here.
//!
//! Looking changes nothing, so the next reader finds what interrupted the session as it was. Only a session that a client
//! holds is taken, if that is asked for, and left free for a gateway to restore.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use shim_gateway::evidence::inspect_project;
use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, Checkpoint, CheckpointState, ClientInfo, Detach, FileState,
    GetCheckpointResponse, GitState, OpenTask, RestoreCheckpointRequest, RestoreCheckpointResponse,
    Session, SessionStatus,
};
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::session_tasks;
use shim_render::text::{printable, short_id};
use shim_render::time;
use shim_render::verification::verify_claims;
use shim_runtime::process;
use tonic::Request;

use super::held::held;
use super::{find, open_work};
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::json;
use crate::output::lines::block;
use crate::output::say;
use crate::remedies::shell_word;

/// What to restore.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session, or SESSION:NUMBER or a checkpoint's id for an older checkpoint
    session: String,
    /// Take the session from the client that holds it now, and leave it free
    #[arg(long)]
    take_over: bool,
    /// Print canonical proto JSON (a RestoreCheckpointResponse)
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The same with `--take-over`.
    fn take_over_command(&self) -> String {
        let (typed, json) = (
            shell_word(&self.session),
            if self.json { " --json" } else { "" },
        );
        format!("shim sessions restore {typed} --take-over{json}")
    }
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let found = find::saved(&mut service, &args.session).await?;
    let session_id = found
        .checkpoint
        .as_ref()
        .map(|saved| saved.session_id.clone());
    let session = find::session(&mut service, &session_id.unwrap_or_default()).await?;
    let found = open_work::to_go_on(&mut service, &args.session, &session, found).await;
    let checkpoint = found.checkpoint.clone().unwrap_or_default();
    let state = found.state.clone().unwrap_or_default();
    let (files, git) = evidence(&session, &state).await;
    let is_held = session.status() == SessionStatus::Active;
    let restored = match (is_held, args.take_over) {
        (true, false) => return Err(held(&session, &args.take_over_command())),
        (true, true) => free(&mut service, checkpoint, files, git).await?,
        (false, _) => {
            let open = open_work::tasks(&mut service, &session).await;
            look(session, found, open, &files, git.as_ref())
        }
    };
    print(&restored, args.json, is_held, out)?;
    Ok(ExitCode::SUCCESS)
}

/// What a restore would answer now. Nothing is changed: not the owner, not what is known of the interruption.
fn look(
    session: Session,
    found: GetCheckpointResponse,
    open_tasks: Vec<OpenTask>,
    files: &[FileState],
    git: Option<&GitState>,
) -> RestoreCheckpointResponse {
    let checkpoint = found.checkpoint.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let claims = verify_claims(&state, files, git);
    let saved = time::moment(checkpoint.created_at.as_ref());
    let others = session_tasks::beside(&open_tasks, &checkpoint.id);
    let resume_prompt = build_prompt(&PromptInput {
        checkpoint: &checkpoint,
        state: &state,
        claims: &claims,
        age: saved.and_then(|at| SystemTime::now().duration_since(at).ok()),
        others: &others,
        reader: Reader::SameSession {
            interruption: session.interruption.as_ref(),
            damaged: &found.damaged_numbers,
        },
    });
    RestoreCheckpointResponse {
        restore_id: String::new(),
        interruption: session.interruption.clone(),
        session: Some(session),
        checkpoint: Some(checkpoint),
        state: Some(state),
        resume_prompt,
        claims,
        damaged_numbers: found.damaged_numbers,
        open_tasks,
    }
}

/// Takes the session from its client and leaves it free.
async fn free(
    service: &mut Checkpoints,
    checkpoint: Checkpoint,
    current_files: Vec<FileState>,
    current_git: Option<GitState>,
) -> Result<RestoreCheckpointResponse, CliError> {
    let restore = RestoreCheckpointRequest {
        request_id: request_id(),
        session_id: checkpoint.session_id,
        checkpoint_id: checkpoint.id,
        take_over: true,
        client: Some(own_client()),
        current_files,
        current_git,
        ..RestoreCheckpointRequest::default()
    };
    let restored = call(service.restore_checkpoint(request(restore))).await?;
    if let Some(session) = &restored.session {
        release_session(service, session).await?;
    }
    Ok(restored)
}

fn print(
    restored: &RestoreCheckpointResponse,
    as_json: bool,
    was_held: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if as_json {
        return json::write_line(out, restored);
    }
    block(out, printable(&restored.resume_prompt).trim_end())?;
    if let Some(session) = &restored.session {
        let what = if was_held { "is free" } else { "waits" };
        say::line(format_args!(
            "session {} {what} for the client that restores it",
            short_id(&session.id)
        ));
    }
    Ok(())
}

/// What the files and the repository of the session's project look like on this machine now.
async fn evidence(
    session: &Session,
    state: &CheckpointState,
) -> (Vec<FileState>, Option<GitState>) {
    // A project may be any name, which says nothing of the present folder: then only absolute paths can be looked at.
    let is_folder = Path::new(&session.project).is_absolute();
    let present = std::env::current_dir().ok().filter(|_| is_folder);
    inspect_project(&session.project, present.as_deref(), state).await
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
