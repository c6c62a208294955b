//! Checkpoints that the service saves by itself, of what was told and what was observed.
//!
//! (A) Nothing observed overwrites what was told. (B) A checkpoint without an owner's word changes neither the owner nor
//! where the session stands in its life.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{Checkpoint, CheckpointState, CheckpointTrigger};
use shim_runtime::ids::SessionId;
use shim_sqlite::UnixMicros;

use super::checkpoint_store::Store;
use super::codec::PackedState;
use super::head::require_head;
use super::reuse;
use super::tables::appending::{self, TaskOfSave};
use super::tables::checkpoints;
use super::tables::observations;
use super::tables::sessions;
use super::tables::stored_session::StoredSession;
use crate::domain::observation::Observation;
use crate::domain::observation::state::{beside_told, observed_only, tasks, told_task};
use crate::domain::session_tasks::{KnownBy, KnownTask, TaskMatch};
use crate::error::Error;

/// What the service would save of a session now.
pub(super) struct ObservedContent {
    /// The number of the checkpoint that the told part is from; 0 for none.
    pub(super) base: u64,
    pub(super) state: CheckpointState,
    pub(super) task: TaskOfSave,
    /// What the state knows.
    pub(super) observation: Observation,
}

/// Such a content on its way to the writer.
struct Prepared {
    packed: PackedState,
    task: TaskOfSave,
    observation: Observation,
    /// The number of the head that was read.
    head: u64,
}

impl Store {
    /// Saves what was told and what was observed of a session; `None` if nothing was observed since the newest checkpoint of
    /// this kind.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND; OVERLOADED if the head moved at every try; the store's failures.
    pub(crate) async fn save_observed(
        &self,
        session: SessionId,
        trigger: CheckpointTrigger,
    ) -> Result<Option<Checkpoint>, Error> {
        let level = self.zstd_level;
        self.retry_moved_head(session, || async move {
            let prepared = self.read(move |db| prepare(db, session, level)).await?;
            let Some(prepared) = prepared else {
                return Ok(None);
            };
            let bytes = prepared.packed.memory_bytes();
            self.write(bytes, move |db, now| {
                append(db, session, trigger, &prepared, now).map(Some)
            })
            .await
        })
        .await
    }
}

fn prepare(db: &Connection, session: SessionId, level: u32) -> Result<Option<Prepared>, Error> {
    let stored = sessions::find(db, session)?;
    let Some(content) = content(db, &stored)?.filter(|found| found.observation.has_news()) else {
        return Ok(None);
    };
    let packed = reuse::pack(db, &stored, content.base, &content.state, level)?;
    Ok(Some(Prepared {
        packed,
        task: content.task,
        observation: content.observation,
        head: stored.session.head_number,
    }))
}

/// What was told of the session's task with what was observed; `None` if nothing was observed.
pub(super) fn content(
    db: &Connection,
    stored: &StoredSession,
) -> Result<Option<ObservedContent>, Error> {
    let Some(observation) = observations::find(db, stored.row_id)? else {
        return Ok(None);
    };
    let known = tasks(&stored.session);
    let told = told_task(&stored.session, &known, &observation);
    let read = told.map(|task| checkpoints::by_number(db, stored, task.checkpoint_number));
    let told_state = match read.map(|row| row.and_then(|row| row.decode(db))) {
        Some(Err(error)) if error.is_nothing_readable() || matches!(error, Error::Thinned(_)) => {
            None
        }
        Some(read) => Some(read?.1),
        None => None,
    };
    let (base, state, found) = match told.zip(told_state) {
        Some((task, state)) => (
            task.checkpoint_number,
            beside_told(state, task.checkpoint_number, &observation),
            TaskMatch::Known(KnownTask {
                task_key: task.task_key.clone(),
                known_by: KnownBy::Text,
            }),
        ),
        None => (0, observed_only(&observation), TaskMatch::ByName),
    };
    let task = TaskOfSave {
        found,
        closed: Vec::new(),
        is_owners: false,
    };
    Ok(Some(ObservedContent {
        base,
        state,
        task,
        observation,
    }))
}

fn append(
    db: &Connection,
    session: SessionId,
    trigger: CheckpointTrigger,
    prepared: &Prepared,
    now: UnixMicros,
) -> Result<Checkpoint, Error> {
    let mut stored = sessions::find_short(db, session)?;
    require_head(&stored, prepared.head)?;
    let (packed, task) = (&prepared.packed, &prepared.task);
    let appended = appending::append(db, &mut stored, trigger, packed, task, now)?;
    observations::mark_saved(db, stored.row_id, &prepared.observation, now)?;
    Ok(appended.checkpoint)
}
