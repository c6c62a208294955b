//! States as they lie in the database: protobuf, hashed, then compressed with zstd.

use std::cell::RefCell;

use prost::Message;
use shim_proto::checkpoint::v1::{CheckpointState, ItemCounts};
use shim_proto::limits::checkpoint::MAX_KEPT_STATE_BYTES;
use shim_render::text::cut_bytes;
use shim_sqlite::SqliteError;

use crate::domain::carry_over;
use crate::domain::hash_chain::{self, Hash};
use crate::domain::session_tasks::{TaskName, text_hash};
use crate::error::Error;

/// Every save writes these twice: into its row and into the answer kept for its request id.
const MAX_PREVIEW_BYTES: usize = 200;

thread_local! {
    /// A zstd context costs more to make than a small state to compress.
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A state encoded and hashed, not yet compressed.
#[derive(Debug)]
pub(super) struct PlainState {
    bytes: Vec<u8>,
    hash: Hash,
}

/// A state ready to be appended: what the writer needs of it, and no more.
#[derive(Debug, Clone)]
pub(super) struct PackedState {
    /// zstd of the encoded state.
    pub(super) bytes: Vec<u8>,
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

impl PlainState {
    pub(super) fn encode(state: &CheckpointState) -> Self {
        let bytes = state.encode_to_vec();
        let hash = hash_chain::hash(&bytes);
        Self { bytes, hash }
    }

    pub(super) fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Compresses. `state` is the one that was encoded. Costs about 3 ms for 1 MiB at level 1: not for the writer's thread.
    pub(super) fn pack(&self, state: &CheckpointState, level: u32) -> Result<PackedState, Error> {
        #[cfg(test)]
        super::packing_test::note_thread();
        let level = i32::try_from(level).unwrap_or(1);
        let compressed = COMPRESSOR.with_borrow_mut(|slot| {
            if slot.as_ref().is_none_or(|(of, _)| *of != level) {
                *slot = Some((level, zstd::bulk::Compressor::new(level)?));
            }
            match slot {
                Some((_, compressor)) => compressor.compress(&self.bytes),
                None => zstd::bulk::compress(&self.bytes, level),
            }
        });
        let bytes = compressed
            .map_err(|error| SqliteError::Unavailable(format!("compression failed: {error}")))?;
        Ok(PackedState::new(
            state,
            bytes,
            self.bytes.len() as u64,
            self.hash,
        ))
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
        self.bytes.len() + usize::try_from(self.state_bytes).unwrap_or(0)
    }
}

/// The start of a text, as headers and lists have it.
pub(super) fn preview(text: &str) -> String {
    cut_bytes(text, MAX_PREVIEW_BYTES).into_owned()
}

/// Decompresses, verifies and decodes; `None` if anything does not fit.
pub(super) fn decode_state(bytes: &[u8], hash: &Hash) -> Option<CheckpointState> {
    let encoded = decompress(bytes, MAX_KEPT_STATE_BYTES.min(claimed_size(bytes)?)).ok()?;
    if hash_chain::hash(&encoded) != *hash {
        return None;
    }
    CheckpointState::decode(encoded.as_slice()).ok()
}

fn decompress(bytes: &[u8], size: usize) -> std::io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| match slot {
        Some(decompressor) => decompressor.decompress(bytes, size),
        None => slot
            .insert(zstd::bulk::Decompressor::new()?)
            .decompress(bytes, size),
    })
}

/// The size a frame claims, so that a small state does not cost a large buffer.
fn claimed_size(bytes: &[u8]) -> Option<usize> {
    let size = zstd::zstd_safe::get_frame_content_size(bytes).ok()??;
    usize::try_from(size).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_state_survives_encoding_and_no_flipped_bit_does() {
        let state = CheckpointState {
            current_task: "task".into(),
            summary: "word ".repeat(400),
            ..Default::default()
        };
        let packed = PlainState::encode(&state).pack(&state, 1).unwrap();
        assert_eq!(
            decode_state(&packed.bytes, &packed.hash),
            Some(state.clone())
        );
        for bit in 0..packed.bytes.len() * 8 {
            let mut damaged = packed.bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A flip zstd does not use (such as a reserved bit) may leave the state whole; it must never change it.
            assert!(decode_state(&damaged, &packed.hash).is_none_or(|seen| seen == state));
        }
    }
}
