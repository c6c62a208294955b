//! What a session shows of its tasks beside what its record keeps.
//!
//! (A) The record is written with every save, so it keeps of each task what a save looks at; text, id and time stand in the
//! header of the task's newest checkpoint. (B) A header never changes and no number is given twice: what was read once
//! holds for good. What a group of changes wrote is remembered once it is on the disk. (C) A task of an older version, of an
//! archive or of a checkpoint that is not there is kept whole.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{Session, SessionTask};

use super::stored_session::StoredSession;
use super::text_memory::TaskText;
use super::{checkpoints, memory};
use crate::error::Error;

/// Remembers what a header says of a task: at once if it is on the disk, else when it is.
pub(crate) fn remember(db: &Connection, session: i64, number: u64, text: &TaskText) {
    let Some(memory) = memory::current() else {
        return;
    };
    let (key, text) = ((session, number), text.clone());
    if db.is_autocommit() {
        memory.texts.put(key, text);
    } else {
        shim_sqlite::after_commit(move || memory.texts.put(key, text));
    }
}

/// What the header of a checkpoint says of its task; `None` if it is not there or damaged.
pub(crate) fn of(db: &Connection, session: i64, number: u64) -> Result<Option<TaskText>, Error> {
    let known = memory::current().and_then(|memory| memory.texts.get((session, number)));
    if known.is_some() {
        return Ok(known);
    }
    let row = checkpoints::header_row(db, session, number)?;
    let text = row
        .and_then(|row| row.whole_header())
        .map(TaskText::of_header);
    if let Some(text) = &text {
        remember(db, session, number, text);
    }
    Ok(text)
}

/// Whether the record left something of the task to the header of its checkpoint.
pub(crate) fn is_short(task: &SessionTask) -> bool {
    task.checkpoint_id.is_empty()
}

/// Fills in what the record left to the headers.
pub(crate) fn fill(db: &Connection, stored: &mut StoredSession) -> Result<(), Error> {
    let mut tasks = std::mem::take(&mut stored.session.tasks);
    let filled = tasks
        .iter_mut()
        .filter(|task| is_short(task))
        .try_for_each(|task| fill_task(db, stored, task));
    stored.session.tasks = tasks;
    filled
}

fn fill_task(db: &Connection, stored: &StoredSession, task: &mut SessionTask) -> Result<(), Error> {
    let (session, number) = (&stored.session, task.checkpoint_number);
    let text = if number == session.head_number {
        Some(TaskText::of_head(session))
    } else {
        of(db, stored.row_id, number)?
    };
    if let Some(text) = text {
        text.fill(task);
    }
    Ok(())
}

/// Leaves out of a task what the header of its checkpoint says.
pub(crate) fn shorten(db: &Connection, session: i64, task: &mut SessionTask) -> Result<(), Error> {
    let text = of(db, session, task.checkpoint_number)?;
    if text.is_some_and(|text| text.is_of(task)) {
        task.current_task.clear();
        task.checkpoint_id.clear();
        (task.progress, task.saved_at) = (0.0, None);
    }
    Ok(())
}

/// Runs `encode` on the session without what the headers of its checkpoints say of its tasks.
pub(crate) fn shortened<R>(
    db: &Connection,
    stored: &mut StoredSession,
    encode: impl FnOnce(&Session) -> R,
) -> Result<R, Error> {
    let mut tasks = std::mem::take(&mut stored.session.tasks);
    let mut whole = Vec::new();
    for (at, task) in tasks.iter_mut().enumerate() {
        if !is_short(task) && is_in_header(db, stored, task)? {
            let text = std::mem::take(&mut task.current_task);
            let id = std::mem::take(&mut task.checkpoint_id);
            whole.push((at, text, id, task.saved_at.take()));
        }
    }
    stored.session.tasks = tasks;
    let encoded = encode(&stored.session);
    for (at, text, id, saved_at) in whole {
        if let Some(task) = stored.session.tasks.get_mut(at) {
            (task.current_task, task.checkpoint_id, task.saved_at) = (text, id, saved_at);
        }
    }
    Ok(encoded)
}

fn is_in_header(
    db: &Connection,
    stored: &StoredSession,
    task: &SessionTask,
) -> Result<bool, Error> {
    let (session, number) = (&stored.session, task.checkpoint_number);
    if number == session.head_number {
        return Ok(session.head_checkpoint_id == task.checkpoint_id
            && session.current_task == task.current_task
            && session.last_checkpoint_at == task.saved_at
            && session.progress.to_bits() == task.progress.to_bits());
    }
    // A task of an archive that is being read may be ahead of its checkpoint.
    if number > session.head_number {
        return Ok(false);
    }
    let text = of(db, stored.row_id, number)?;
    Ok(text.is_some_and(|text| text.is_of(task)))
}
