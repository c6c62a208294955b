//! The checkpoints of a session's tasks, and of the whole session where those cannot be read.

use rusqlite::Connection;
use shim_render::session_tasks;

use super::checkpoints::{self, IntactCheckpoint};
use super::stored_session::StoredSession;
use crate::error::Error;

/// The newest checkpoint of the task that was saved or restored last, or the session's newest that can be read whole.
pub(crate) fn of_current_task(
    db: &Connection,
    stored: &StoredSession,
) -> Result<IntactCheckpoint, Error> {
    let current = stored.session.tasks.first();
    let number = current.map_or(stored.session.head_number, |task| task.checkpoint_number);
    of_task(db, stored, number)
}

/// The newest checkpoint of the task that a restore goes on with, or the session's newest that can be read whole.
pub(crate) fn to_go_on(db: &Connection, stored: &StoredSession) -> Result<IntactCheckpoint, Error> {
    let task = session_tasks::to_go_on(&stored.session);
    let number = task.map_or(stored.session.head_number, |task| task.checkpoint_number);
    of_task(db, stored, number)
}

fn of_task(
    db: &Connection,
    stored: &StoredSession,
    number: u64,
) -> Result<IntactCheckpoint, Error> {
    if number < stored.session.head_number {
        // What is damaged or was dropped is passed over, as with any newest checkpoint.
        let found = checkpoints::by_number(db, stored, number).and_then(|row| row.decode(db));
        if let Ok((checkpoint, state)) = found {
            return Ok((checkpoint, state, Vec::new()));
        }
    }
    checkpoints::newest_intact(db, stored)
}
