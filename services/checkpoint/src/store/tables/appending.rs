//! Appending a checkpoint: its row, its session's head and its task.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, params};
use shim_proto::checkpoint::v1::{Checkpoint, CheckpointTrigger, Session};
use shim_runtime::ids::CheckpointId;

use super::super::codec::PackedState;
use super::checkpoints::insert;
use super::column::to_column;
use super::stored_session::StoredSession;
use super::text_memory::TaskText;
use super::{segments, sessions, task_texts};
use crate::domain::hash_chain::{self, Hash};
use crate::domain::session_tasks::{self, TaskChange, TaskMatch};
use crate::error::Error;
use crate::metrics;
use shim_sqlite::UnixMicros;

/// The task that a checkpoint is saved for.
#[derive(Debug, Clone)]
pub(crate) struct TaskOfSave {
    pub(crate) found: TaskMatch,
    /// The keys of other tasks that are over.
    pub(crate) closed: Vec<String>,
    /// Whether it comes from the session's owner, who lives then; else the session stays where it stands in its life.
    pub(crate) is_owners: bool,
}

impl TaskOfSave {
    /// The task that the state names.
    pub(crate) fn by_name() -> Self {
        Self {
            found: TaskMatch::ByName,
            closed: Vec::new(),
            is_owners: true,
        }
    }
}

/// What appending a checkpoint came to.
pub(crate) struct Appended {
    pub(crate) checkpoint: Checkpoint,
    /// Its other tasks are as the session's record keeps them.
    pub(crate) change: TaskChange,
    /// The number of the task that was left, and what its header says of it.
    pub(crate) left: Option<(u64, TaskText)>,
}

/// Appends a checkpoint, moves its session's head and puts its task first. One of its owner makes the session active.
pub(crate) fn append(
    db: &Connection,
    stored: &mut StoredSession,
    trigger: CheckpointTrigger,
    state: &PackedState,
    task: &TaskOfSave,
    now: UnixMicros,
) -> Result<Appended, Error> {
    let checkpoint = insert_next(db, stored, trigger, state, now)?;
    if task.found.is_by_likeness() {
        // It is remembered as it was.
        task_texts::fill(db, stored)?;
    }
    let change = session_tasks::advance(
        &mut stored.session,
        &task.found,
        &state.task_name(),
        &task.closed,
        &checkpoint,
        state.counts.open_steps,
    );
    let left = text_of_left(db, stored, &change);
    if task.is_owners {
        sessions::reactivate(&mut stored.session);
        stored.session.dismissed_at = None;
    }
    move_head(&mut stored.session, &checkpoint, state.counts.open_steps);
    sessions::update(db, stored, now)?;
    let stored_bytes = usize::try_from(checkpoint.stored_bytes).unwrap_or_default();
    metrics::after_commit(move || metrics::record_save(trigger, stored_bytes));
    Ok(Appended {
        checkpoint,
        change,
        left,
    })
}

/// Writes the row behind the session's newest checkpoint.
fn insert_next(
    db: &Connection,
    stored: &StoredSession,
    trigger: CheckpointTrigger,
    state: &PackedState,
    now: UnixMicros,
) -> Result<Checkpoint, Error> {
    // It refuses or writes, so nothing is written before it.
    let (column, segment_bytes) = write_segments(db, stored, state)?;
    let number = stored.session.head_number + 1;
    let previous = previous_hash(db, stored.row_id, number)?;
    let mut checkpoint = Checkpoint {
        number,
        created_at: Some(now.into()),
        trigger: trigger.into(),
        previous_hash: previous.as_ref().map(hash_chain::hex).unwrap_or_default(),
        stored_bytes: column.len() as u64 + segment_bytes,
        ..new_header(&stored.session, state)
    };
    let header = hash_chain::header_bytes(&checkpoint);
    let hash = hash_chain::checkpoint_hash(&header, &state.hash);
    let (bytes, hashes) = (Some(&*column), (&state.hash, &hash));
    insert(db, stored.row_id, &checkpoint, &header, bytes, hashes)?;
    checkpoint.hash = hash_chain::hex(&hash);
    Ok(checkpoint)
}

/// Writes what becomes segments; answers with the column `state` and the bytes of the new segments.
fn write_segments<'a>(
    db: &Connection,
    stored: &StoredSession,
    state: &'a PackedState,
) -> Result<(Cow<'a, [u8]>, u64), Error> {
    let Some(shared) = &state.shared else {
        return Ok((Cow::Borrowed(&state.bytes), 0));
    };
    require_base(db, stored, state)?;
    let (mut rows, mut bytes) = (Vec::with_capacity(shared.new.len()), 0);
    for segment in &shared.new {
        rows.push(segments::insert(db, stored.row_id, segment)?);
        bytes += 2 * segment.frame.len() as u64;
    }
    Ok((Cow::Owned(shared.column(&rows, &state.bytes)), bytes))
}

/// Refuses a state that shares segments with a checkpoint which lost its content since it was read.
pub(crate) fn require_base(
    db: &Connection,
    stored: &StoredSession,
    state: &PackedState,
) -> Result<(), Error> {
    let moved = || Error::HeadMoved(stored.session.id.clone());
    state.shared.as_ref().map_or(Ok(()), |shared| {
        segments::require_base(db, shared.base, moved)
    })
}

/// What the head that is about to move says of the task that is left.
fn text_of_left(
    db: &Connection,
    stored: &StoredSession,
    change: &TaskChange,
) -> Option<(u64, TaskText)> {
    let number = stored.session.head_number;
    let left = change.left.as_ref()?;
    (left.checkpoint_number == number).then(|| {
        let text = TaskText::of_head(&stored.session);
        task_texts::remember(db, stored.row_id, number, &text);
        (number, text)
    })
}

/// What a new checkpoint's header says of its session and its state.
fn new_header(session: &Session, state: &PackedState) -> Checkpoint {
    Checkpoint {
        id: CheckpointId::new().into(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        current_task: state.current_task.clone(),
        progress: state.progress,
        summary: state.summary.clone(),
        state_bytes: state.state_bytes,
        ..Checkpoint::default()
    }
}

fn move_head(session: &mut Session, head: &Checkpoint, open_steps: u32) {
    session.head_number = head.number;
    session.head_checkpoint_id.clone_from(&head.id);
    session.last_checkpoint_at = head.created_at;
    session.current_task.clone_from(&head.current_task);
    session.progress = head.progress;
    session.open_steps = open_steps;
}

/// The predecessor's stored hash. A predecessor that cannot be read breaks the chain visibly: no hash.
fn previous_hash(db: &Connection, session: i64, number: u64) -> Result<Option<Hash>, Error> {
    let hash: Option<Vec<u8>> = db
        .prepare_cached("SELECT hash FROM checkpoints WHERE session = ?1 AND number = ?2")?
        .query_row(params![session, to_column(number) - 1], |row| row.get(0))
        .optional()?;
    Ok(hash.and_then(|hash| Hash::try_from(hash.as_slice()).ok()))
}
