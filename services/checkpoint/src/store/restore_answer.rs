//! What the ledger keeps of the answer to a restore: the checkpoint and its content never change and are read again if the
//! request is repeated.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{Checkpoint, RestoreCheckpointResponse, SessionTask};
use shim_runtime::ids::CheckpointId;

use super::tables::{checkpoints, task_texts};
use crate::error::Error;

/// What is kept of an answer about the session in this row.
pub(super) fn kept(
    db: &Connection,
    row_id: i64,
    answer: &RestoreCheckpointResponse,
) -> Result<RestoreCheckpointResponse, Error> {
    let checkpoint = answer.checkpoint.as_ref();
    let mut kept = RestoreCheckpointResponse {
        restore_id: answer.restore_id.clone(),
        session: answer.session.clone(),
        checkpoint: checkpoint.map(|checkpoint| Checkpoint {
            id: checkpoint.id.clone(),
            ..Checkpoint::default()
        }),
        state: None,
        resume_prompt: answer.resume_prompt.clone(),
        claims: answer.claims.clone(),
        damaged_numbers: answer.damaged_numbers.clone(),
        interruption: answer.interruption.clone(),
        open_tasks: answer.open_tasks.clone(),
    };
    for task in tasks(&mut kept) {
        task_texts::shorten(db, row_id, task)?;
    }
    Ok(kept)
}

/// The tasks of the session and the open ones.
fn tasks(answer: &mut RestoreCheckpointResponse) -> impl Iterator<Item = &mut SessionTask> {
    let of_session = answer.session.iter_mut();
    let of_session = of_session.flat_map(|session| &mut session.tasks);
    let open = answer.open_tasks.iter_mut();
    of_session.chain(open.filter_map(|open| open.task.as_mut()))
}

/// The answer of what was kept of it. Older versions kept all of it.
pub(super) fn rebuild(
    db: &Connection,
    mut kept: RestoreCheckpointResponse,
) -> Result<RestoreCheckpointResponse, Error> {
    let id = match &kept.checkpoint {
        Some(checkpoint) if kept.state.is_none() => checkpoint.id.clone(),
        _ => return Ok(kept),
    };
    let known: CheckpointId = id.parse().map_err(|_| Error::CheckpointNotFound(id))?;
    let row = checkpoints::by_id(db, known)?;
    let (checkpoint, state) = row.decode(db)?;
    for task in tasks(&mut kept).filter(|task| task_texts::is_short(task)) {
        if let Some(text) = task_texts::of(db, row.session, task.checkpoint_number)? {
            text.fill(task);
        }
    }
    (kept.checkpoint, kept.state) = (Some(checkpoint), Some(state));
    Ok(kept)
}
