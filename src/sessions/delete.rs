//! `shim sessions delete`: deletes a session with all it holds, after asking.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{DeleteSessionRequest, Session, SessionStatus};
use shim_render::figures::count;
use shim_render::text::{one_line, short_id};

use super::find;
use super::held::held;
use super::list::task;
use crate::connection::{Checkpoints, call, request, request_id};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::say;

/// Which session.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    session: String,
    /// Do not ask; required without a terminal
    #[arg(long)]
    yes: bool,
    /// Delete it although a client owns it now
    #[arg(long)]
    force: bool,
    /// Print canonical proto JSON (a DeleteSessionResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let session = find::session(&mut service, &args.session).await?;
    if session.status() == SessionStatus::Active && !args.force {
        return Err(held(
            &session,
            &format!("shim sessions delete {} --yes --force", session.id),
        ));
    }
    if !args.yes && !confirmed(&session, args.force)? {
        writeln!(out, "nothing was deleted")?;
        return Ok(ExitCode::FAILURE);
    }
    let delete = DeleteSessionRequest {
        request_id: request_id(),
        session_id: session.id.clone(),
        force: args.force,
    };
    let deleted = call(service.delete_session(request(delete))).await?;
    emit(args.json, &deleted, out, |out| {
        let checkpoints = count(deleted.deleted_checkpoints, "checkpoint");
        writeln!(out, "deleted {} with {checkpoints}", short_id(&session.id))
    })
}

fn confirmed(session: &Session, force: bool) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() {
        let force = if force { " --force" } else { "" };
        return Err(
            CliError::new("deleting asks first, and there is no terminal to ask on").hint(format!(
                "add --yes: `shim sessions delete {} --yes{force}`",
                session.id
            )),
        );
    }
    let checkpoints = count(session.head_number, "checkpoint");
    say::part(format_args!(
        "delete {} \"{}\" with {checkpoints}? [y/N] ",
        short_id(&session.id),
        one_line(task(session), 60)
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
