//! Records of an archive on their way into the database: states packed, not yet inserted.

use shim_proto::checkpoint::v1::{Checkpoint, Session, SignalRecord};

use super::codec::PackedState;

/// A record whose state is packed.
pub(super) enum PackedRecord {
    Session(Session),
    Checkpoint(PackedCheckpoint),
    Signal(SignalRecord),
}

/// An archived checkpoint, ready to be inserted.
pub(super) struct PackedCheckpoint {
    pub(super) header: Checkpoint,
    pub(super) state_hash: String,
    /// `None` if retention had dropped the content.
    pub(super) state: Option<PackedState>,
}
