//! Forking: a new session that starts from a checkpoint of another.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::{
    CheckpointTrigger, ForkSessionRequest, ForkSessionResponse, Session,
};
use shim_runtime::ids::CheckpointId;
use shim_sqlite::{IdempotencyKey, UnixMicros};

use super::binding;
use super::checkpoint_store::{Prepared, Store};
use super::codec::{PackedState, PlainState};
use super::new_session::new_session;
use super::tables::appending::{self, TaskOfSave};
use super::tables::checkpoints;
use super::tables::sessions;
use crate::error::Error;

/// The checkpoint that is forked, and its session.
struct Origin {
    id: CheckpointId,
    parent: Session,
    packed: PackedState,
}

impl Store {
    /// Opens a session whose first checkpoint holds the content of `checkpoint`.
    ///
    /// # Errors
    /// CHECKPOINT_NOT_FOUND, CHECKPOINT_THINNED, CHECKPOINT_DAMAGED; the store's failures.
    pub(crate) async fn fork_session(
        &self,
        checkpoint: CheckpointId,
        request: ForkSessionRequest,
    ) -> Result<ForkSessionResponse, Error> {
        let key = IdempotencyKey::new("ForkSession", &request.request_id, &request);
        let level = self.zstd_level;
        let prepared = self.prepare(&key, move |db| read_origin(db, checkpoint, level));
        let origin = match prepared.await? {
            Prepared::Answered(response) => return Ok(response),
            Prepared::Ready(origin) => origin,
        };
        self.mutate(key, origin.packed.memory_bytes(), move |db, now| {
            fork(db, origin, request, now)
        })
        .await
    }
}

/// The content is packed anew: sessions share no segments, so each can be deleted by itself.
fn read_origin(db: &Connection, id: CheckpointId, level: u32) -> Result<Origin, Error> {
    let row = checkpoints::by_id(db, id)?;
    let (_, state) = row.decode(db)?;
    let packed = PlainState::encode(&state).pack(&state, None, level)?;
    let parent = sessions::by_row(db, row.session)?.session;
    Ok(Origin { id, parent, packed })
}

/// A checkpoint's content never changes, but it may be deleted between the reading and this transaction.
fn fork(
    db: &Connection,
    origin: Origin,
    request: ForkSessionRequest,
    now: UnixMicros,
) -> Result<ForkSessionResponse, Error> {
    checkpoints::require_exists(db, origin.id)?;
    let title = if request.title.is_empty() {
        origin.parent.title
    } else {
        request.title
    };
    let session = Session {
        forked_from_checkpoint_id: origin.id.to_string(),
        ..new_session(origin.parent.project, title, request.client, now)
    };
    let mut stored = sessions::insert(db, session)?;
    binding::rebind(db, &stored, stored.session.client.as_ref(), now)?;
    let trigger = CheckpointTrigger::Fork;
    let task = TaskOfSave::by_name();
    let appended = appending::append(db, &mut stored, trigger, &origin.packed, &task, now)?;
    Ok(ForkSessionResponse {
        session: Some(stored.session),
        checkpoint: Some(appended.checkpoint),
    })
}
