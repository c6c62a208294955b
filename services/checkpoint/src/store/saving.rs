//! Appending checkpoints. A state that goes on from its task's checkpoint before is merged and packed on a reader; the
//! writer checks and appends.

use std::sync::Arc;

use prost::Message;
use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    CheckpointState, CheckpointTrigger, SaveCheckpointRequest, SaveCheckpointResponse, SaveReport,
    SessionTask,
};
use shim_sqlite::IdempotencyKey;

use super::checkpoint_store::{Prepared, Store};
use super::codec::{PackedState, PlainState};
use super::head::require_head;
use super::reuse;
use super::save_answer;
use super::tables::appending::{self, TaskOfSave};
use super::tables::checkpoints;
use super::tables::sessions::{self, Owner};
use super::tables::stored_session::StoredSession;
use crate::domain::carry_over::{Changes, carry_over};
use crate::domain::rewording::is_reworded;
use crate::domain::save_report;
use crate::domain::session_tasks::{self, KnownBy, KnownTask, TaskMatch, TaskName};
use crate::error::Error;

/// A state of so many bytes is merged and packed on the thread of its call, as one is that is not merged.
const MAX_SMALL_STATE: usize = 64 * 1024;

/// What a client saves beside the state.
#[derive(Debug)]
pub(crate) struct SaveOptions {
    pub(crate) owner: Owner,
    pub(crate) trigger: CheckpointTrigger,
    pub(crate) changes: Changes,
}

/// A save on its way to the writer.
struct PreparedSave {
    packed: PackedState,
    task: TaskOfSave,
    report: SaveReport,
    /// The number of the head that was read, if the state was merged.
    head: Option<u64>,
}

impl Store {
    /// Appends a checkpoint to its owner's session; with `carry_over` it goes on from the newest one of the same task. The
    /// key of the request covers what the client sent, not what was merged.
    ///
    /// # Errors
    /// STALE_OWNER, SESSION_ENDED, SESSION_NOT_FOUND; OVERLOADED if the head moved at every try; the store's failures.
    pub(crate) async fn save_checkpoint(
        &self,
        options: SaveOptions,
        mut request: SaveCheckpointRequest,
    ) -> Result<SaveCheckpointResponse, Error> {
        let state = request.state.take().unwrap_or_default();
        let plain = PlainState::encode(&state);
        let key = IdempotencyKey::with_content(
            "SaveCheckpoint",
            &request.request_id,
            &request,
            plain.hash(),
        );
        let (options, closed) = (Arc::new(options), request.closed_tasks);
        let session = options.owner.session;
        if !request.carry_over && !plain.may_share() {
            let packed = plain.pack(&state, None, self.zstd_level)?;
            return self.append(key, &options, whole(packed, closed)).await;
        }
        let state = Arc::new(state);
        if !request.carry_over {
            let plain = Arc::new(plain);
            return self
                .retry_moved_head(session, || {
                    let (state, plain) = (Arc::clone(&state), Arc::clone(&plain));
                    let options = Arc::clone(&options);
                    self.share_and_append(key.clone(), options, state, plain, closed.clone())
                })
                .await;
        }
        self.retry_moved_head(session, || {
            let (options, state) = (Arc::clone(&options), Arc::clone(&state));
            self.merge_and_append(key.clone(), options, state, closed.clone())
        })
        .await
    }

    async fn merge_and_append(
        &self,
        key: IdempotencyKey,
        options: Arc<SaveOptions>,
        state: Arc<CheckpointState>,
        closed: Vec<String>,
    ) -> Result<SaveCheckpointResponse, Error> {
        let (level, merging) = (self.zstd_level, Arc::clone(&options));
        let is_small = state.encoded_len() <= MAX_SMALL_STATE;
        let work = move |db: &Connection| merge(db, &merging, &state, closed, level);
        let prepared = match is_small {
            true => self.prepare_shortly(&key, work).await?,
            false => self.prepare(&key, work).await?,
        };
        match prepared {
            Prepared::Answered(kept) => self.read(move |db| save_answer::rebuild(db, kept)).await,
            Prepared::Ready(save) => self.append(key, &options, save).await,
        }
    }

    async fn share_and_append(
        &self,
        key: IdempotencyKey,
        options: Arc<SaveOptions>,
        state: Arc<CheckpointState>,
        plain: Arc<PlainState>,
        closed: Vec<String>,
    ) -> Result<SaveCheckpointResponse, Error> {
        let (level, owner) = (self.zstd_level, options.owner);
        let prepared = self
            .prepare(&key, move |db| {
                let stored = sessions::require_owner(db, owner)?;
                let packed = reuse::pack_beside_head(db, &stored, &state, &plain, level)?;
                Ok(whole(packed, closed))
            })
            .await?;
        match prepared {
            Prepared::Answered(kept) => self.read(move |db| save_answer::rebuild(db, kept)).await,
            Prepared::Ready(save) => self.append(key, &options, save).await,
        }
    }

    async fn append(
        &self,
        key: IdempotencyKey,
        options: &SaveOptions,
        save: PreparedSave,
    ) -> Result<SaveCheckpointResponse, Error> {
        let (owner, trigger) = (options.owner, options.trigger);
        let bytes = save.packed.memory_bytes();
        self.mutate_shortly(key, bytes, save_answer::rebuild, move |db, now| {
            let mut stored = sessions::require_owner(db, owner)?;
            if let Some(head) = save.head {
                require_head(&stored, head)?;
            }
            let PreparedSave {
                packed,
                task,
                report,
                ..
            } = save;
            let appended = appending::append(db, &mut stored, trigger, &packed, &task, now)?;
            save_answer::build(db, stored.row_id, report, appended)
        })
        .await
    }
}

/// A save of what a client sent, and no more.
fn whole(packed: PackedState, closed: Vec<String>) -> PreparedSave {
    PreparedSave {
        report: save_report::of_whole(packed.counts),
        task: TaskOfSave {
            found: TaskMatch::ByName,
            closed,
            is_owners: true,
        },
        packed,
        head: None,
    }
}

/// The state with what the checkpoint before of its task knew, packed. The head is read first: a checkpoint appended
/// between the reads makes the append fail.
fn merge(
    db: &Connection,
    options: &SaveOptions,
    state: &CheckpointState,
    closed: Vec<String>,
    level: u32,
) -> Result<PreparedSave, Error> {
    let stored = sessions::require_owner(db, options.owner)?;
    let known = session_tasks::known(&stored.session, &closed, &state.task_key);
    let earlier = find_earlier(db, &stored, &known, state)?;
    let found = earlier.as_ref().map_or(TaskMatch::New, |earlier| {
        TaskMatch::Known(earlier.task.clone())
    });
    let (before, number) = match earlier {
        Some(Earlier {
            readable: Some(readable),
            ..
        }) => readable,
        _ => (CheckpointState::default(), 0),
    };
    let merged = carry_over(before, number, state.clone(), &options.changes);
    let packed = reuse::pack(db, &stored, number, &merged.state, level)?;
    Ok(PreparedSave {
        packed,
        task: TaskOfSave {
            found,
            closed,
            is_owners: true,
        },
        report: merged.report,
        head: Some(stored.session.head_number),
    })
}

/// A task that a save goes on with, and what its newest checkpoint holds if it can be read.
struct Earlier {
    task: KnownTask,
    readable: Option<(CheckpointState, u64)>,
}

/// The task of the same name, or the one that is this task in other words.
fn find_earlier(
    db: &Connection,
    stored: &StoredSession,
    known: &[SessionTask],
    state: &CheckpointState,
) -> Result<Option<Earlier>, Error> {
    let name = task_name(state);
    let known_as = |task: &SessionTask, known_by| KnownTask {
        task_key: task.task_key.clone(),
        known_by,
    };
    if let Some((task, known_by)) = session_tasks::find(known, &name) {
        return Ok(Some(Earlier {
            task: known_as(task, known_by),
            readable: read_task(db, stored, task, &name)?,
        }));
    }
    for task in known {
        if !session_tasks::may_be_reworded(task, &name) {
            continue;
        }
        let readable = read_task(db, stored, task, &name)?;
        if let Some(readable) = readable
            && is_reworded(&readable.0, state)
        {
            return Ok(Some(Earlier {
                task: known_as(task, KnownBy::Likeness),
                readable: Some(readable),
            }));
        }
    }
    Ok(None)
}

fn task_name(state: &CheckpointState) -> TaskName {
    TaskName {
        key: state.task_key.clone(),
        text_hash: session_tasks::text_hash(&state.current_task),
        preview: super::codec::preview(&state.current_task),
        progress: state.progress,
    }
}

/// What the newest checkpoint of a task holds. If it cannot be read, the newest before it of the same text.
fn read_task(
    db: &Connection,
    stored: &StoredSession,
    task: &SessionTask,
    name: &TaskName,
) -> Result<Option<(CheckpointState, u64)>, Error> {
    let number = task.checkpoint_number;
    let found = checkpoints::by_number(db, stored, number).and_then(|row| row.decode(db));
    match found {
        Ok((_, state)) => return Ok(Some((state, number))),
        Err(error) if error.is_nothing_readable() || matches!(error, Error::Thinned(_)) => {}
        Err(error) => return Err(error),
    }
    match checkpoints::newest_intact(db, stored) {
        Ok((checkpoint, state, _)) => {
            let is_same = session_tasks::text_hash(&state.current_task) == name.text_hash
                || (!name.key.is_empty() && state.task_key == name.key);
            Ok(is_same.then_some((state, checkpoint.number)))
        }
        Err(error) if error.is_nothing_readable() => Ok(None),
        Err(error) => Err(error),
    }
}
