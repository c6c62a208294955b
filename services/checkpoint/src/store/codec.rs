//! States on their way into the database: protobuf, hashed, cut into what a checkpoint before has and what is new, then
//! compressed with zstd.
//!
//! What two checkpoints in a row hold is a segment from then on. What is new stands in its own checkpoint, as does what is short: a
//! state that shares nothing is one frame.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

use prost::Message;
use shim_proto::checkpoint::v1::{CheckpointState, ItemCounts};
use shim_render::text::cut_bytes;
use shim_sqlite::SqliteError;

use super::compression::compress;
use super::layout::{self, Part};
use super::tables::segments::{Base, NewSegment};
use crate::domain::carry_over;
use crate::domain::hash_chain::{self, Hash};
use crate::domain::segments::{Piece, cut, piece_hash};
use crate::domain::session_tasks::{TaskName, text_hash};
use crate::error::Error;

/// Every save writes these twice: into its row and into the answer kept for its request id.
const MAX_PREVIEW_BYTES: usize = 200;
/// A shorter state is one frame: what it could share is hardly longer than what names it.
const MIN_SHARING_BYTES: usize = 4_096;

/// A state encoded and hashed, not yet compressed.
#[derive(Debug)]
pub(super) struct PlainState {
    bytes: Vec<u8>,
    hash: Hash,
}

/// A state ready to be appended: what the writer needs of it, and no more.
#[derive(Debug, Clone)]
pub(super) struct PackedState {
    /// zstd of the encoded state, or of what is not in segments.
    pub(super) bytes: Vec<u8>,
    /// What it shares.
    pub(super) shared: Option<Shared>,
    /// Size of the encoded state.
    pub(super) state_bytes: u64,
    /// BLAKE3 of the encoded state.
    pub(super) hash: Hash,
    /// The starts of two texts, which stand in the checkpoint's header.
    pub(super) current_task: String,
    pub(super) summary: String,
    pub(super) progress: f64,
    /// How many items it holds, as a restore shows them.
    pub(super) counts: ItemCounts,
    /// The client's own key of the task; "" for none.
    pub(super) task_key: String,
    pub(super) task_hash: String,
}

/// What a state shares with its base.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// The row of the base, which must have its content still.
    pub(super) base: i64,
    parts: Vec<SharedPart>,
    /// Pieces that become segments.
    pub(super) new: Vec<NewSegment>,
}

#[derive(Debug, Clone, Copy)]
enum SharedPart {
    Known(Part),
    /// The new segment at this position.
    New(usize),
}

impl Shared {
    /// The column `state` once the new segments lie in these rows.
    pub(super) fn column(&self, new_rows: &[i64], frame: &[u8]) -> Vec<u8> {
        let parts = self.parts.iter().filter_map(|part| match part {
            SharedPart::Known(part) => Some(*part),
            SharedPart::New(at) => new_rows.get(*at).map(|row| Part::Segment(*row)),
        });
        layout::write(&parts.collect::<Vec<_>>(), frame)
    }

    fn is_empty(&self) -> bool {
        let is_inline = |part: &SharedPart| matches!(part, SharedPart::Known(Part::Inline { .. }));
        self.parts.iter().all(is_inline)
    }
}

impl PlainState {
    pub(super) fn encode(state: &CheckpointState) -> Self {
        let bytes = state.encode_to_vec();
        let hash = hash_chain::hash(&bytes);
        Self { bytes, hash }
    }

    pub(super) fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Whether it is long enough to share anything.
    pub(super) fn may_share(&self) -> bool {
        self.bytes.len() >= MIN_SHARING_BYTES
    }

    /// Compresses what `base` does not have. `state` is the one that was encoded. Not for the writer's thread.
    pub(super) fn pack(
        &self,
        state: &CheckpointState,
        base: Option<&Base>,
        level: u32,
    ) -> Result<PackedState, Error> {
        let failed = |error| SqliteError::Unavailable(format!("compression failed: {error}"));
        let packed = |bytes| PackedState::new(state, bytes, self.bytes.len() as u64, self.hash);
        if let Some(base) = base {
            let (shared, inline) = self.share(base, level).map_err(failed)?;
            if !shared.is_empty() {
                let mut packed = packed(compress(&inline, level).map_err(failed)?);
                packed.shared = Some(shared);
                return Ok(packed);
            }
        }
        Ok(packed(compress(&self.bytes, level).map_err(failed)?))
    }

    /// The parts, and the bytes that stay in the checkpoint.
    fn share(&self, base: &Base, level: u32) -> io::Result<(Shared, Vec<u8>)> {
        let mut shared = Shared {
            base: base.row_id,
            parts: Vec::new(),
            new: Vec::new(),
        };
        let (mut inline, mut new_at) = (Vec::new(), HashMap::new());
        for Piece { range, is_closed } in cut(&self.bytes) {
            let piece = &self.bytes[range];
            let hash = is_closed.then(|| piece_hash(base.session, piece));
            let known = hash.and_then(|hash| base.segments.get(&hash));
            let part = match (known, hash.filter(|hash| base.pieces.contains(hash))) {
                (Some(row_id), _) => SharedPart::Known(Part::Segment(*row_id)),
                (None, Some(hash)) => {
                    let at = match new_at.entry(hash) {
                        Entry::Occupied(at) => *at.get(),
                        Entry::Vacant(place) => {
                            let frame = compress(piece, level)?;
                            shared.new.push(NewSegment { hash, frame });
                            *place.insert(shared.new.len() - 1)
                        }
                    };
                    SharedPart::New(at)
                }
                (None, None) => {
                    inline.extend_from_slice(piece);
                    let bytes = piece.len();
                    SharedPart::Known(Part::Inline { bytes, is_closed })
                }
            };
            shared.parts.push(part);
        }
        Ok((shared, inline))
    }
}

impl PackedState {
    /// `bytes` is the compressed `state`, whose encoding has `state_bytes` bytes and this hash.
    pub(super) fn new(
        state: &CheckpointState,
        bytes: Vec<u8>,
        state_bytes: u64,
        hash: Hash,
    ) -> Self {
        Self {
            bytes,
            shared: None,
            state_bytes,
            hash,
            current_task: preview(&state.current_task),
            summary: preview(&state.summary),
            progress: state.progress,
            counts: carry_over::counts(state),
            task_key: state.task_key.clone(),
            task_hash: text_hash(&state.current_task),
        }
    }

    /// What it says of its task.
    pub(super) fn task_name(&self) -> TaskName {
        TaskName {
            key: self.task_key.clone(),
            text_hash: self.task_hash.clone(),
            preview: self.current_task.clone(),
            progress: self.progress,
        }
    }

    /// What counts against the writer's queue: the state in both forms.
    pub(super) fn memory_bytes(&self) -> usize {
        let new = self.shared.iter().flat_map(|shared| &shared.new);
        let new: usize = new.map(|segment| segment.frame.len()).sum();
        new + self.bytes.len() + usize::try_from(self.state_bytes).unwrap_or(0)
    }
}

/// The start of a text, as headers and lists have it.
pub(super) fn preview(text: &str) -> String {
    cut_bytes(text, MAX_PREVIEW_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rusqlite::Connection;

    use super::super::content::decode_state;
    use super::*;

    #[test]
    fn a_state_survives_encoding_and_no_flipped_bit_does() {
        let state = CheckpointState {
            current_task: "task".into(),
            summary: "word ".repeat(400),
            ..Default::default()
        };
        let packed = PlainState::encode(&state).pack(&state, None, 1).unwrap();
        let db = Connection::open_in_memory().unwrap();
        assert_eq!(
            decode_state(&db, &packed.bytes, &packed.hash),
            Some(state.clone())
        );
        for bit in 0..packed.bytes.len() * 8 {
            let mut damaged = packed.bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A flip zstd does not use (such as a reserved bit) may leave the state whole; it must never change it.
            assert!(decode_state(&db, &damaged, &packed.hash).is_none_or(|seen| seen == state));
        }
    }
}
