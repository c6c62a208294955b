//! What the ledger keeps of the answer to a restore: the checkpoint and its content never change and are read again if the
//! request is repeated.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{Checkpoint, RestoreCheckpointResponse};
use shim_runtime::ids::CheckpointId;

use super::tables::checkpoints;
use crate::error::Error;

/// What is kept of an answer.
pub(super) fn kept(answer: &RestoreCheckpointResponse) -> RestoreCheckpointResponse {
    let checkpoint = answer.checkpoint.as_ref();
    RestoreCheckpointResponse {
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
    }
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
    let (checkpoint, state) = checkpoints::by_id(db, known)?.decode()?;
    (kept.checkpoint, kept.state) = (Some(checkpoint), Some(state));
    Ok(kept)
}
