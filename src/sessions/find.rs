//! Finding the session or checkpoint that an argument names.

use shim_proto::checkpoint::v1::{
    Checkpoint, GetCheckpointRequest, GetCheckpointResponse, GetSessionRequest,
    ListCheckpointsRequest, Session, SessionStatus,
};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_proto::reasons::{CHECKPOINT_NOT_FOUND, SESSION_ENDED, SESSION_NOT_FOUND};
use shim_render::id_part::IdPart;
use shim_render::text::{one_line, short_id};
use shim_runtime::service_error::decode;
use tonic::Status;
use uuid::Uuid;

use super::pages::{SessionFilter, list_all};
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::id_prefix::{Identified, no_part, part_of_id, pick, several};
use crate::output::say;
use crate::output::time::ago;
use crate::pages::pages;
use crate::remedies::Placeholder;

/// The session with this id, or with an id that begins or ends so.
///
/// # Errors
/// If no session or more than one has such an id.
pub(crate) async fn session(service: &mut Checkpoints, typed: &str) -> Result<Session, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        let asked = GetSessionRequest {
            session_id: id.to_string(),
        };
        let found = call(service.get_session(request(asked))).await?.session;
        return found.ok_or_else(|| CliError::new("the service answered without a session"));
    }
    let digits = part_of_id::<Session>(typed)?;
    pick(
        list_all(service, &SessionFilter::default(), usize::MAX).await?,
        &digits,
    )
}

/// The session with this id that is to get a message. One that is interrupted reads it once it is restored, which stderr
/// is told.
///
/// # Errors
/// If there is none, more than one, or if it was ended: then nobody reads its messages.
pub(crate) async fn reader(service: &mut Checkpoints, typed: &str) -> Result<Session, CliError> {
    let session = session(service, typed).await?;
    let id = short_id(&session.id);
    match session.status() {
        SessionStatus::Ended => Err(ended(&session)),
        SessionStatus::Interrupted => {
            say::line(format_args!(
                "note: session {id} is interrupted, and reads the message once a client restores it"
            ));
            Ok(session)
        }
        _ => Ok(session),
    }
}

fn ended(session: &Session) -> CliError {
    let id = short_id(&session.id);
    let fork = match session.head_number {
        0 => String::new(),
        _ => format!("; `shim sessions fork {id}` begins another one from its newest checkpoint"),
    };
    let when = ago(session.ended_at.as_ref());
    CliError::new(format!(
        "session {id} was ended {when}, so nobody reads its messages; nothing was sent"
    ))
    .for_reason(SESSION_ENDED)
    .hint(format!(
        "`shim sessions list` shows the sessions that go on{fork}"
    ))
}

/// The checkpoint meant by its id or part of it, by `SESSION:NUMBER`, or by `SESSION` for the newest one that is intact.
///
/// # Errors
/// If there is none.
pub(super) async fn checkpoint(
    service: &mut Checkpoints,
    typed: &str,
) -> Result<Checkpoint, CliError> {
    let found = saved(service, typed).await?.checkpoint;
    found.ok_or_else(|| CliError::new("the service answered without a checkpoint"))
}

/// The same with its content.
///
/// # Errors
/// If there is none.
pub(super) async fn saved(
    service: &mut Checkpoints,
    typed: &str,
) -> Result<GetCheckpointResponse, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        return by_whole_id(service, &id.to_string()).await;
    }
    if let Some((name, number)) = typed.rsplit_once(':') {
        let number = number.parse().map_err(|_| unknown(typed))?;
        let session_id = session(service, name).await?.id;
        return of_session(service, &session_id, number).await;
    }
    let digits = IdPart::of(typed).ok_or_else(|| no_part(typed, "session or checkpoint"))?;
    let sessions = list_all(service, &SessionFilter::default(), usize::MAX).await?;
    if !sessions.iter().any(|session| digits.matches(&session.id))
        && let Some(id) = by_part_of_id(service, &sessions, &digits).await?
    {
        return Ok(get(service, id, String::new(), 0).await?);
    }
    let session_id = pick(sessions, &digits)?.id;
    of_session(service, &session_id, 0).await
}

/// An id may be a checkpoint's or a session's; both are UUIDs.
async fn by_whole_id(
    service: &mut Checkpoints,
    id: &str,
) -> Result<GetCheckpointResponse, CliError> {
    match get(service, id.to_owned(), String::new(), 0).await {
        Err(status) if decode(&status).reason == CHECKPOINT_NOT_FOUND => {}
        found => return Ok(found?),
    }
    let newest = of_session(service, id, 0).await;
    newest.map_err(|error| match error.is_for(SESSION_NOT_FOUND) {
        true => CliError::new(format!("there is no session and no checkpoint {id}"))
            .hint(format!("`{}` shows the sessions there are", Session::LIST)),
        false => error,
    })
}

async fn of_session(
    service: &mut Checkpoints,
    session_id: &str,
    number: u64,
) -> Result<GetCheckpointResponse, CliError> {
    let found = get(service, String::new(), session_id.to_owned(), number).await;
    found.map_err(|status| CliError::from(status).about(Placeholder::Session, session_id))
}

async fn get(
    service: &mut Checkpoints,
    checkpoint_id: String,
    session_id: String,
    number: u64,
) -> Result<GetCheckpointResponse, Status> {
    let asked = GetCheckpointRequest {
        checkpoint_id,
        session_id,
        number,
    };
    call(service.get_checkpoint(request(asked))).await
}

/// The one checkpoint whose id begins or ends so. Each session costs a call.
async fn by_part_of_id(
    service: &mut Checkpoints,
    sessions: &[Session],
    digits: &IdPart,
) -> Result<Option<String>, CliError> {
    let mut found = Vec::new();
    for session in sessions.iter().filter(|session| session.head_number > 0) {
        let checkpoints = all_checkpoints(service, &session.id).await?;
        let matching = checkpoints
            .into_iter()
            .filter(|checkpoint| digits.matches(&checkpoint.id));
        found.extend(matching.map(|checkpoint| {
            let about = format!("{}:{}", short_id(&session.id), checkpoint.number);
            (checkpoint.id, about)
        }));
    }
    if found.len() > 1 {
        let told = found
            .iter()
            .map(|(id, about)| (id.as_str(), about.as_str()));
        return Err(several("checkpoint", digits, &told.collect::<Vec<_>>()));
    }
    Ok(found.pop().map(|(id, _)| id))
}

async fn all_checkpoints(
    service: &mut Checkpoints,
    session_id: &str,
) -> Result<Vec<Checkpoint>, CliError> {
    pages(usize::MAX, MAX_PAGE_SIZE, async |page_size, page_token| {
        let asked = ListCheckpointsRequest {
            session_id: session_id.to_owned(),
            page_size: page_size.cast_signed(),
            page_token,
        };
        let page = call(service.list_checkpoints(request(asked))).await?;
        Ok((page.checkpoints, page.next_page_token))
    })
    .await
}

fn unknown(typed: &str) -> CliError {
    CliError::new(format!("\"{}\" names no checkpoint", one_line(typed, 80)))
        .hint("give a checkpoint id, or SESSION:NUMBER such as 9a0b1c2d:3")
}
