//! Packing a state against the checkpoint that it goes on from.

use rusqlite::Connection;
use shim_proto::checkpoint::v1::CheckpointState;

use super::codec::{PackedState, PlainState};
use super::tables::checkpoints;
use super::tables::segments;
use super::tables::stored_session::StoredSession;
use crate::error::Error;

/// Packs a state that goes on from checkpoint `number`, which the caller read whole; 0 for none.
pub(super) fn pack(
    db: &Connection,
    stored: &StoredSession,
    number: u64,
    state: &CheckpointState,
    level: u32,
) -> Result<PackedState, Error> {
    pack_plain(db, stored, number, state, &PlainState::encode(state), level)
}

/// Packs a state that nothing was carried over into against the newest checkpoint, if that is whole.
pub(super) fn pack_beside_head(
    db: &Connection,
    stored: &StoredSession,
    state: &CheckpointState,
    plain: &PlainState,
    level: u32,
) -> Result<PackedState, Error> {
    let head = stored.session.head_number;
    let is_whole = head > 0
        && checkpoints::by_number(db, stored, head).is_ok_and(|row| row.has_whole_content(db));
    let number = if is_whole { head } else { 0 };
    pack_plain(db, stored, number, state, plain, level)
}

fn pack_plain(
    db: &Connection,
    stored: &StoredSession,
    number: u64,
    state: &CheckpointState,
    plain: &PlainState,
    level: u32,
) -> Result<PackedState, Error> {
    let base = if number > 0 && plain.may_share() {
        segments::base(db, stored.row_id, number)?
    } else {
        None
    };
    plain.pack(state, base.as_ref(), level)
}
