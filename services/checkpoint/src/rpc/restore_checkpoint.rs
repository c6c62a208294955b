//! RestoreCheckpoint: the caller becomes the owner and gets a prompt whose claims were checked.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    RestoreCheckpointRequest, RestoreCheckpointResponse, SessionStatus,
};
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::verification::verify_claims;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::attach_session::session_owned_error;
use super::fields::Fields;
use crate::domain::time::{UnixMicros, to_unix_micros};
use crate::error::Error;
use crate::store::checkpoints::IntactCheckpoint;
use crate::store::idempotency::IdempotencyKey;
use crate::store::sessions::StoredSession;
use crate::store::{checkpoints, restores, sessions};

pub(super) async fn handle(
    api: &Api,
    request: RestoreCheckpointRequest,
) -> Result<RestoreCheckpointResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let checkpoint = fields.optional_uuid("checkpoint_id", &request.checkpoint_id);
    let session = fields.optional_uuid("session_id", &request.session_id);
    if checkpoint.is_none() && session.is_none() && request.session_id.is_empty() {
        fields.refuse("session_id", "is required unless checkpoint_id is given");
    }
    fields.client(request.client.as_ref());
    fields.files("current_files", &request.current_files);
    fields.git("current_git", request.current_git.as_ref());
    fields.finish()?;

    let key = IdempotencyKey::new("RestoreCheckpoint", &request.request_id, &request);
    let client = request.client.clone().unwrap_or_default();
    let restored = api
        .store
        .mutate(key, 0, move |db, now| {
            restore(db, session, checkpoint, request, now)
        })
        .await?;
    if let Some(session) = &restored.session
        && let Ok(id) = Uuid::parse_str(&session.id)
    {
        api.leases.grant(id, session.epoch, client);
    }
    Ok(restored)
}

fn restore(
    db: &Connection,
    session: Option<Uuid>,
    checkpoint: Option<Uuid>,
    request: RestoreCheckpointRequest,
    now: UnixMicros,
) -> Result<RestoreCheckpointResponse, Error> {
    let (mut stored, (checkpoint, state, damaged_numbers)) =
        find_checkpoint(db, session, checkpoint)?;
    check_owner(&stored, &request)?;
    let interruption = sessions::reactivate(&mut stored.session);
    let claims = verify_claims(&state, &request.current_files, request.current_git.as_ref());
    let resume_prompt = build_prompt(&PromptInput {
        checkpoint: &checkpoint,
        state: &state,
        claims: &claims,
        age: to_unix_micros(checkpoint.created_at.as_ref()).map(|at| now.since(at)),
        reader: Reader::SameSession {
            interruption: interruption.as_ref(),
            damaged: &damaged_numbers,
        },
    });
    let restored = &mut stored.session;
    restored.epoch += 1;
    restored.client = request.client;
    restored.dismissed_at = None;
    restored.ended_at = None;
    restored.restore_count += 1;
    sessions::update(db, &mut stored, now)?;
    let restore_id = restores::insert(
        db,
        stored.row_id,
        checkpoint.number,
        stored.session.epoch,
        now,
    )?;
    Ok(RestoreCheckpointResponse {
        restore_id: restore_id.to_string(),
        session: Some(stored.session),
        checkpoint: Some(checkpoint),
        state: Some(state),
        resume_prompt,
        claims,
        damaged_numbers,
        interruption,
    })
}

/// The checkpoint asked for with its session, or the session's newest intact one.
fn find_checkpoint(
    db: &Connection,
    session: Option<Uuid>,
    checkpoint: Option<Uuid>,
) -> Result<(StoredSession, IntactCheckpoint), Error> {
    match (checkpoint, session) {
        (None, session) => {
            let stored = sessions::find(db, session.unwrap_or_default())?;
            let intact = checkpoints::newest_intact(db, &stored)?;
            Ok((stored, intact))
        }
        (Some(id), session) => {
            let row = checkpoints::by_id(db, id)?;
            let stored = sessions::by_row(db, row.session)?;
            if session.is_some_and(|session| session.to_string() != stored.session.id) {
                return Err(Error::CheckpointNotFound(format!("{id} in that session")));
            }
            let (checkpoint, state) = row.decode()?;
            Ok((stored, (checkpoint, state, Vec::new())))
        }
    }
}

fn check_owner(stored: &StoredSession, request: &RestoreCheckpointRequest) -> Result<(), Error> {
    let session = &stored.session;
    if request.expected_epoch != 0 && request.expected_epoch != session.epoch {
        return Err(Error::EpochChanged {
            session: session.id.clone(),
            expected: request.expected_epoch,
            current: session.epoch,
        });
    }
    if session.status() == SessionStatus::Active && !request.take_over {
        return Err(session_owned_error(session));
    }
    Ok(())
}
