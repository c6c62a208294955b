//! Appending checkpoints. The state is merged with its predecessor and packed on a reader; the writer checks and appends.

use std::sync::Arc;

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    CheckpointState, CheckpointTrigger, SaveCheckpointRequest, SaveCheckpointResponse,
};
use shim_sqlite::IdempotencyKey;

use super::checkpoint_store::{Prepared, Store};
use super::codec::{PackedState, PlainState};
use super::head::require_head;
use super::tables::checkpoints;
use super::tables::sessions::{self, Owner};
use crate::domain::carry_over::carry_over;
use crate::error::Error;

impl Store {
    /// Appends a checkpoint to its owner's session; with `carry_over` it inherits what the one before knew. The key of the
    /// request covers what the client sent, not what was merged.
    ///
    /// # Errors
    /// STALE_OWNER, SESSION_ENDED, SESSION_NOT_FOUND; OVERLOADED if the head moved at every try; the store's failures.
    pub(crate) async fn save_checkpoint(
        &self,
        owner: Owner,
        trigger: CheckpointTrigger,
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
        if !request.carry_over {
            let packed = plain.pack(&state, self.zstd_level)?;
            return self.append(key, owner, trigger, None, packed).await;
        }
        let state = Arc::new(state);
        self.retry_moved_head(owner.session, || {
            self.merge_and_append(key.clone(), owner, trigger, Arc::clone(&state))
        })
        .await
    }

    async fn merge_and_append(
        &self,
        key: IdempotencyKey,
        owner: Owner,
        trigger: CheckpointTrigger,
        state: Arc<CheckpointState>,
    ) -> Result<SaveCheckpointResponse, Error> {
        let level = self.zstd_level;
        let prepared = self
            .prepare(&key, move |db| merge_previous(db, owner, &state, level))
            .await?;
        match prepared {
            Prepared::Answered(response) => Ok(response),
            Prepared::Ready((head, packed)) => {
                self.append(key, owner, trigger, Some(head), packed).await
            }
        }
    }

    /// `head` is the number that the state was merged with, if it was.
    async fn append(
        &self,
        key: IdempotencyKey,
        owner: Owner,
        trigger: CheckpointTrigger,
        head: Option<u64>,
        packed: PackedState,
    ) -> Result<SaveCheckpointResponse, Error> {
        self.mutate(key, packed.memory_bytes(), move |db, now| {
            let mut stored = sessions::require_owner(db, owner)?;
            if let Some(head) = head {
                require_head(&stored, head)?;
            }
            let checkpoint = checkpoints::append(db, &mut stored, trigger, &packed, now)?;
            Ok(SaveCheckpointResponse {
                checkpoint: Some(checkpoint),
            })
        })
        .await
    }
}

/// The state with what the checkpoint before knew, packed, and the head's number. Without a readable checkpoint there is
/// nothing to inherit. The head is read first: a checkpoint appended between the two reads makes the append fail.
fn merge_previous(
    db: &Connection,
    owner: Owner,
    state: &CheckpointState,
    level: u32,
) -> Result<(u64, PackedState), Error> {
    let stored = sessions::require_owner(db, owner)?;
    let mut state = state.clone();
    match checkpoints::newest_intact(db, &stored) {
        Ok((_, earlier, _)) => carry_over(earlier, &mut state),
        Err(error) if error.is_nothing_readable() => {}
        Err(error) => return Err(error),
    }
    let packed = PlainState::encode(&state).pack(&state, level)?;
    Ok((stored.session.head_number, packed))
}
