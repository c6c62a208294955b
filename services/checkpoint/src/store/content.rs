//! Contents of checkpoints, read and verified.

use prost::Message;
use rusqlite::Connection;
use shim_proto::checkpoint::v1::CheckpointState;

use super::compression::decompress;
use super::layout::{self, StateColumn};
use super::tables::segments;
use crate::domain::hash_chain::{self, Hash};

/// The state in a column, put together, verified and decoded; `None` if anything does not fit.
pub(super) fn decode_state(db: &Connection, column: &[u8], hash: &Hash) -> Option<CheckpointState> {
    let encoded = match layout::read(column) {
        StateColumn::Whole(frame) => {
            decompress(frame).filter(|encoded| hash_chain::hash(encoded) == *hash)
        }
        StateColumn::Parts(parts, frame) => segments::assemble(db, &parts, frame, hash),
        StateColumn::Damaged => None,
    };
    CheckpointState::decode(encoded?.as_slice()).ok()
}
