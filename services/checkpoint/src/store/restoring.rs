//! Recovery: candidates, restores and how they went on.

use std::sync::Arc;

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    CheckpointState, ClientInfo, DetectRecoveryResponse, ObservedState, OpenTask,
    RecordResumeRequest, RecordResumeResponse, RecoveryCandidate, RestoreCheckpointRequest,
    RestoreCheckpointResponse, Session, SessionStatus, SessionTask,
};
use shim_render::resume_prompt::{PromptInput, Reader, build_prompt};
use shim_render::session_tasks;
use shim_render::verification::{open_steps, verify_claims};
use shim_runtime::ids::{CheckpointId, Epoch, SessionId};
use shim_sqlite::{IdempotencyKey, UnixMicros, to_unix_micros};
use uuid::Uuid;

use super::binding;
use super::checkpoint_store::Store;
use super::ownership::{is_held_by_same_client, session_owned_error};
use super::restore_answer;
use super::tables::checkpoints::{self, IntactCheckpoint};
use super::tables::projects::ProjectNames;
use super::tables::rank_facts;
use super::tables::rank_memory::Listed;
use super::tables::sessions;
use super::tables::stored_session::StoredSession;
use super::tables::{restores, task_checkpoints};
use crate::domain::recovery::{
    Rank, RankFacts, confidence, is_aged_out, is_recoverable, noticed_at, unsaved,
};
use crate::domain::session_tasks::go_on_with;
use crate::error::Error;
use crate::metrics;

const STEPS_SHOWN: usize = 20;
/// So many sessions that changed last are ranked, of the project and of the others.
const MAX_RANKED: usize = 100;

/// Whether a session is alive again although nobody told the service.
pub(crate) type IsBack = fn(&Session, Option<&ObservedState>, UnixMicros) -> bool;

impl Store {
    /// Up to `limit` sessions that can be brought back, best first; unless `only_project`, those of other projects, too.
    /// Those that `is_back` finds alive again are left out.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) async fn recovery_candidates(
        &self,
        project: String,
        only_project: bool,
        limit: u32,
        is_back: IsBack,
    ) -> Result<DetectRecoveryResponse, Error> {
        let now = self.now();
        self.read(move |db| {
            let project = ProjectNames::of(db, &project)?;
            let mut found = rank_facts::of_project(db, &project, MAX_RANKED)?;
            if !only_project {
                found.extend(rank_facts::of_others(db, &project, MAX_RANKED)?);
            }
            let all = found.len();
            found.retain(|listed| !is_aged_out(&listed.facts, now));
            let aged_out = all - found.len();
            let found = ranked(found, &project, now);
            offer(db, found, &project, (limit, is_back), aged_out, now)
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
        self.mutate_keeping(key, 0, restore_answer::rebuild, move |db, now| {
            let (stored, intact) = find_checkpoint(db, session, checkpoint)?;
            check_owner(&stored, &request)?;
            let row_id = stored.row_id;
            let answer = restore(db, stored, intact, request, now)?;
            let kept = restore_answer::kept(db, row_id, &answer)?;
            Ok((answer, kept))
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

/// The sessions, best first.
fn ranked(found: Vec<Arc<Listed>>, project: &ProjectNames, now: UnixMicros) -> Vec<Arc<Listed>> {
    let rank = |listed: &Listed| Rank::of(&listed.facts, !project.contains(&listed.project), now);
    let mut ranked: Vec<(Rank, Arc<Listed>)> = found
        .into_iter()
        .map(|listed| (rank(&listed), listed))
        .collect();
    ranked.sort_by(|(one, _), (other, _)| one.best_first(other));
    ranked.into_iter().map(|(_, listed)| listed).collect()
}

/// The first `limit` of the ranked sessions, with what they hold.
fn offer(
    db: &Connection,
    ranked: Vec<Arc<Listed>>,
    project: &ProjectNames,
    (limit, is_back): (u32, IsBack),
    aged_out: usize,
    now: UnixMicros,
) -> Result<DetectRecoveryResponse, Error> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut offered = DetectRecoveryResponse {
        aged_out: count(aged_out),
        ..DetectRecoveryResponse::default()
    };
    for listed in ranked {
        if count(offered.candidates.len()) == limit {
            offered.more += 1;
        } else if let Some(stored) = listed_now(db, &listed)?
            && let Some(candidate) = candidate(db, stored, project, is_back, now)?
        {
            offered.candidates.push(candidate);
        }
    }
    Ok(offered)
}

/// The session, if it still belongs on the list: it may be damaged, or restored since the list was read.
fn listed_now(db: &Connection, listed: &Listed) -> Result<Option<StoredSession>, Error> {
    match sessions::by_row(db, listed.row_id) {
        Ok(stored) => Ok(Some(stored).filter(|stored| is_recoverable(&stored.session))),
        Err(Error::SessionNotFound(_)) => Ok(None),
        Err(error) if error.is_nothing_readable() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A session without any intact checkpoint is no candidate; the damage was logged where it was found.
fn candidate(
    db: &Connection,
    mut stored: StoredSession,
    project: &ProjectNames,
    is_back: IsBack,
    now: UnixMicros,
) -> Result<Option<RecoveryCandidate>, Error> {
    let (checkpoint, state, _) = match task_checkpoints::to_go_on(db, &stored) {
        Err(error) if error.is_nothing_readable() => return Ok(None),
        other => other?,
    };
    if is_back(&stored.session, state.observed.as_ref(), now) {
        return Ok(None);
    }
    let facts = RankFacts::of(&stored.session);
    // They are told once.
    let open = session_tasks::take_open(&mut stored.session);
    let tasks = with_steps(db, &stored, open, (checkpoint.number, &state));
    let session = stored.session;
    let noticed = noticed_at(&session).unwrap_or(now);
    Ok(Some(RecoveryCandidate {
        confidence: confidence(&facts, now),
        same_project: project.contains(&session.project),
        age: prost_types::Duration::try_from(now.since(noticed)).ok(),
        unsaved: prost_types::Duration::try_from(unsaved(&session)).ok(),
        session: Some(session),
        checkpoint: Some(checkpoint),
        next_steps: steps_shown(&state),
        tasks,
    }))
}

fn steps_shown(state: &CheckpointState) -> Vec<String> {
    let open = open_steps(state).into_iter();
    open.take(STEPS_SHOWN).cloned().collect()
}

/// The session's unfinished tasks, and of the first ones their open steps, as far as they can be read. `known` is a
/// checkpoint that was read before.
fn open_tasks(
    db: &Connection,
    stored: &StoredSession,
    known: (u64, &CheckpointState),
) -> Vec<OpenTask> {
    with_steps(db, stored, session_tasks::open(&stored.session), known)
}

fn with_steps(
    db: &Connection,
    stored: &StoredSession,
    open: Vec<SessionTask>,
    (known, state): (u64, &CheckpointState),
) -> Vec<OpenTask> {
    let with_steps = session_tasks::told_with_steps(&open);
    let steps = |task: &SessionTask| {
        if task.checkpoint_number == known {
            return steps_shown(state);
        }
        let row = checkpoints::by_number(db, stored, task.checkpoint_number);
        let state = row.and_then(|row| row.decode(db));
        state.map_or_else(|_| Vec::new(), |(_, state)| steps_shown(&state))
    };
    let told = |(at, task): (usize, SessionTask)| OpenTask {
        next_steps: if at < with_steps {
            steps(&task)
        } else {
            Vec::new()
        },
        task: Some(SessionTask {
            text_hash: String::new(),
            before_rewording: None,
            ..task
        }),
    };
    open.into_iter().enumerate().map(told).collect()
}

/// The checkpoint asked for with its session, or the one that the session goes on with.
fn find_checkpoint(
    db: &Connection,
    session: Option<SessionId>,
    checkpoint: Option<CheckpointId>,
) -> Result<(StoredSession, IntactCheckpoint), Error> {
    let Some(id) = checkpoint else {
        let stored = sessions::find(db, session.unwrap_or(Uuid::nil().into()))?;
        let intact = task_checkpoints::to_go_on(db, &stored)?;
        return Ok((stored, intact));
    };
    let row = checkpoints::by_id(db, id)?;
    let stored = sessions::by_row(db, row.session)?;
    if session.is_some_and(|session| session.to_string() != stored.session.id) {
        return Err(Error::CheckpointNotFound(format!("{id} in that session")));
    }
    let (checkpoint, state) = row.decode(db)?;
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
        return Err(session_owned_error(session, request.client.as_ref()));
    }
    Ok(())
}

/// The session is the client's from now on, and has its conversation.
fn hand_over(
    db: &Connection,
    stored: &mut StoredSession,
    client: Option<ClientInfo>,
    now: UnixMicros,
) -> Result<(), Error> {
    binding::rebind(db, stored, client.as_ref(), now)?;
    let session = &mut stored.session;
    session.epoch += 1;
    session.client = client;
    session.dismissed_at = None;
    session.ended_at = None;
    session.restore_count += 1;
    sessions::update(db, stored, now)
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
    go_on_with(&mut stored.session, &checkpoint.id);
    let open_tasks = open_tasks(db, &stored, (checkpoint.number, &state));
    let others = session_tasks::beside(&open_tasks, &checkpoint.id);
    let resume_prompt = build_prompt(&PromptInput {
        checkpoint: &checkpoint,
        state: &state,
        claims: &claims,
        age: saved_at.map(|at| now.since(at)),
        others: &others,
        reader: Reader::SameSession {
            interruption: interruption.as_ref(),
            damaged: &damaged_numbers,
        },
    });
    hand_over(db, &mut stored, request.client, now)?;
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
        open_tasks,
    })
}
