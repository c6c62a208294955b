//! Finding the session or checkpoint that an argument names.

use shim_proto::checkpoint::v1::{
    Checkpoint, GetCheckpointRequest, GetCheckpointResponse, GetSessionRequest,
    ListCheckpointsRequest, Session,
};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_proto::reasons::{CHECKPOINT_NOT_FOUND, SESSION_NOT_FOUND};
use shim_render::text::one_line;
use shim_runtime::service_error::decode;
use tonic::Status;
use uuid::Uuid;

use super::pages::{SessionFilter, list_all};
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::id_prefix::{IdPrefix, Identified, pick};
use crate::remedies::Placeholder;

/// How many of the newest sessions are searched for part of a checkpoint's id: each costs a call.
const SESSIONS_SEARCHED: usize = 200;

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
    let digits = IdPrefix::of(typed, Session::NOUN)?;
    pick(
        list_all(service, &SessionFilter::default(), usize::MAX).await?,
        &digits,
    )
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
    if let Some((name, number)) = typed.split_once(':') {
        let number = number.parse().map_err(|_| unknown(typed))?;
        let session_id = session(service, name).await?.id;
        return of_session(service, &session_id, number).await;
    }
    let digits = IdPrefix::of(typed, "session or checkpoint")?;
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

/// The one checkpoint of the newest sessions whose id begins or ends so.
async fn by_part_of_id(
    service: &mut Checkpoints,
    sessions: &[Session],
    digits: &IdPrefix,
) -> Result<Option<String>, CliError> {
    let mut matching = Vec::new();
    for session in sessions.iter().take(SESSIONS_SEARCHED) {
        let asked = ListCheckpointsRequest {
            session_id: session.id.clone(),
            page_size: i32::try_from(MAX_PAGE_SIZE).unwrap_or(i32::MAX),
            page_token: String::new(),
        };
        let page = call(service.list_checkpoints(request(asked))).await?;
        let ids = page.checkpoints.into_iter().map(|checkpoint| checkpoint.id);
        matching.extend(ids.filter(|id| digits.matches(id)));
    }
    match matching.len() {
        0 | 1 => Ok(matching.pop()),
        many => Err(CliError::new(format!("{many} checkpoints are meant by it"))
            .hint("give the whole id, or SESSION:NUMBER such as 9a0b1c2d:3")),
    }
}

fn unknown(typed: &str) -> CliError {
    CliError::new(format!("\"{}\" names no checkpoint", one_line(typed, 80)))
        .hint("give a checkpoint id, or SESSION:NUMBER such as 9a0b1c2d:3")
}
