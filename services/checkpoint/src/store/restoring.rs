//! Recovery: candidates, restores and how they went on.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    Interruption, RecordResumeRequest, RecordResumeResponse, RecoveryCandidate,
    RestoreCheckpointRequest, RestoreCheckpointResponse, SessionStatus,
};
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::verification::verify_claims;
use shim_runtime::ids::{CheckpointId, Epoch, SessionId};
use shim_sqlite::{IdempotencyKey, UnixMicros, to_unix_micros};
use uuid::Uuid;

use super::checkpoint_store::Store;
use super::ownership::{is_held_by_same_client, session_owned_error};
use super::tables::checkpoints::{self, IntactCheckpoint};
use super::tables::projects::ProjectNames;
use super::tables::restores;
use super::tables::sessions::{self, StoredSession};
use crate::domain::recovery::confidence;
use crate::error::Error;
use crate::metrics;

const STEPS_SHOWN: usize = 20;

impl Store {
    /// Up to `limit` sessions that can be brought back: those of `project` first, then, unless `only_project`, the others.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn recovery_candidates(
        &self,
        project: String,
        only_project: bool,
        limit: u32,
    ) -> Result<Vec<RecoveryCandidate>, Error> {
        let now = self.now();
        self.read(move |db| {
            let project = ProjectNames::of(db, &project)?;
            let mut found = sessions::recoverable(db, &project, true, limit)?;
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(limit));
            if !only_project && left > 0 {
                found.extend(sessions::recoverable(db, &project, false, left)?);
            }
            found
                .into_iter()
                .filter_map(|stored| candidate(db, stored, &project, now).transpose())
                .collect()
        })
        .await
    }

    /// Makes the caller the owner at the next epoch, and answers with a prompt whose claims were checked.
    ///
    /// # Errors
    /// CHECKPOINT_NOT_FOUND, CHECKPOINT_THINNED, CHECKPOINT_DAMAGED, SESSION_NOT_FOUND, SESSION_OWNED unless it takes over,
    /// EPOCH_CHANGED; the store's failures.
    pub(crate) async fn restore_checkpoint(
        &self,
        session: Option<SessionId>,
        checkpoint: Option<CheckpointId>,
        request: RestoreCheckpointRequest,
    ) -> Result<RestoreCheckpointResponse, Error> {
        let key = IdempotencyKey::new("RestoreCheckpoint", &request.request_id, &request);
        self.mutate(key, 0, move |db, now| {
            let (stored, intact) = find_checkpoint(db, session, checkpoint)?;
            check_owner(&stored, &request)?;
            restore(db, stored, intact, request, now)
        })
        .await
    }

    /// Keeps how a restored session went on.
    ///
    /// # Errors
    /// RESTORE_NOT_FOUND; the store's failures.
    pub(crate) async fn record_resume(
        &self,
        restore: Uuid,
        request: RecordResumeRequest,
    ) -> Result<RecordResumeResponse, Error> {
        let key = IdempotencyKey::new("RecordResume", &request.request_id, &request);
        self.mutate(key, 0, move |db, _| {
            let row = restores::record_outcome(db, restore, request.fidelity, &request.notes)?;
            metrics::after_commit(move || metrics::record_fidelity(request.fidelity));
            Ok(RecordResumeResponse {
                session_id: sessions::by_row(db, row)?.session.id,
            })
        })
        .await
    }
}

/// A session without any intact checkpoint is no candidate; the damage was logged where it was found.
fn candidate(
    db: &Connection,
    stored: StoredSession,
    project: &ProjectNames,
    now: UnixMicros,
) -> Result<Option<RecoveryCandidate>, Error> {
    let (checkpoint, mut state, _) = match checkpoints::newest_intact(db, &stored) {
        Err(error) if error.is_nothing_readable() => return Ok(None),
        other => other?,
    };
    let session = stored.session;
    state.next_steps.truncate(STEPS_SHOWN);
    let noticed = session
        .interruption
        .as_ref()
        .and_then(|i: &Interruption| to_unix_micros(i.at.as_ref()))
        .unwrap_or(now);
    Ok(Some(RecoveryCandidate {
        confidence: confidence(&session, now),
        same_project: project.contains(&session.project),
        age: prost_types::Duration::try_from(now.since(noticed)).ok(),
        session: Some(session),
        checkpoint: Some(checkpoint),
        next_steps: state.next_steps,
    }))
}

/// The checkpoint asked for with its session, or the session's newest intact one.
fn find_checkpoint(
    db: &Connection,
    session: Option<SessionId>,
    checkpoint: Option<CheckpointId>,
) -> Result<(StoredSession, IntactCheckpoint), Error> {
    let Some(id) = checkpoint else {
        let stored = sessions::find(db, session.unwrap_or(Uuid::nil().into()))?;
        let intact = checkpoints::newest_intact(db, &stored)?;
        return Ok((stored, intact));
    };
    let row = checkpoints::by_id(db, id)?;
    let stored = sessions::by_row(db, row.session)?;
    if session.is_some_and(|session| session.to_string() != stored.session.id) {
        return Err(Error::CheckpointNotFound(format!("{id} in that session")));
    }
    let (checkpoint, state) = row.decode()?;
    Ok((stored, (checkpoint, state, Vec::new())))
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
    let may_take = request.take_over || is_held_by_same_client(session, request.client.as_ref());
    if session.status() == SessionStatus::Active && !may_take {
        return Err(session_owned_error(session));
    }
    Ok(())
}

fn restore(
    db: &Connection,
    mut stored: StoredSession,
    (checkpoint, state, damaged_numbers): IntactCheckpoint,
    request: RestoreCheckpointRequest,
    now: UnixMicros,
) -> Result<RestoreCheckpointResponse, Error> {
    let interruption = sessions::reactivate(&mut stored.session);
    let claims = verify_claims(&state, &request.current_files, request.current_git.as_ref());
    let saved_at = to_unix_micros(checkpoint.created_at.as_ref());
    let resume_prompt = build_prompt(&PromptInput {
        checkpoint: &checkpoint,
        state: &state,
        claims: &claims,
        age: saved_at.map(|at| now.since(at)),
        reader: Reader::SameSession {
            interruption: interruption.as_ref(),
            damaged: &damaged_numbers,
        },
    });
    let session = &mut stored.session;
    session.epoch += 1;
    session.client = request.client;
    session.dismissed_at = None;
    session.ended_at = None;
    session.restore_count += 1;
    sessions::update(db, &mut stored, now)?;
    let epoch = Epoch(stored.session.epoch);
    let restore_id = restores::insert(db, stored.row_id, checkpoint.number, epoch, now)?;
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
