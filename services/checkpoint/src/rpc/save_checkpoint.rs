//! SaveCheckpoint: when it answers, the checkpoint is on the disk.

use shim_proto::checkpoint::v1::{
    CheckpointState, CheckpointTrigger, SaveCheckpointRequest, SaveCheckpointResponse,
};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::domain::carry_over::carry_over;
use crate::error::Error;
use crate::store::codec::{EncodedState, encode_state};
use crate::store::idempotency::IdempotencyKey;
use crate::store::sessions::StoredSession;
use crate::store::{checkpoints, sessions};

pub(super) async fn handle(
    api: &Api,
    mut request: SaveCheckpointRequest,
) -> Result<SaveCheckpointResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("session_id", &request.session_id);
    fields.epoch(request.epoch);
    fields.state(request.state.as_ref());
    let trigger = CheckpointTrigger::try_from(request.trigger).unwrap_or_else(|_| {
        fields.refuse(
            "trigger",
            format!("{} is no CheckpointTrigger", request.trigger),
        );
        CheckpointTrigger::Manual
    });
    fields.finish()?;

    let trigger = if trigger == CheckpointTrigger::Unspecified {
        CheckpointTrigger::Manual
    } else {
        trigger
    };
    let (epoch, carries) = (request.epoch, request.carry_over);
    let state = request.state.take().unwrap_or_default();
    let level = api.config.zstd_level;
    // Packed before the writer's turn: the thread that everyone waits for only appends.
    let encoded = encode_state(&state, level)?;
    let key = IdempotencyKey::with_content(
        "SaveCheckpoint",
        &request.request_id,
        &request,
        &encoded.hash,
    );
    let bytes = encoded.bytes.len() + usize::try_from(encoded.state_bytes).unwrap_or(0);
    let saved = api
        .store
        .mutate(key, bytes, move |db, now| {
            let mut stored = sessions::require_owner(db, id, epoch)?;
            let (state, encoded) = if carries {
                merge_previous(db, &stored, state, encoded, level)?
            } else {
                (state, encoded)
            };
            let checkpoint = checkpoints::append(db, &mut stored, trigger, &state, &encoded, now)?;
            Ok(SaveCheckpointResponse {
                checkpoint: Some(checkpoint),
            })
        })
        .await?;
    api.leases.renew_or_grant(id, epoch);
    Ok(saved)
}

/// Adds what the checkpoint before knew. Without a readable one there is nothing to inherit.
fn merge_previous(
    db: &rusqlite::Connection,
    stored: &StoredSession,
    mut state: CheckpointState,
    encoded: EncodedState,
    level: u32,
) -> Result<(CheckpointState, EncodedState), Error> {
    match checkpoints::newest_intact(db, stored) {
        Ok((_, earlier, _)) => {
            carry_over(earlier, &mut state);
            let encoded = encode_state(&state, level)?;
            Ok((state, encoded))
        }
        Err(Error::CheckpointNotFound(_) | Error::Damaged(_)) => Ok((state, encoded)),
        Err(error) => Err(error),
    }
}
