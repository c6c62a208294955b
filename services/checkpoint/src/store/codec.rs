//! States as they lie in the database: protobuf, hashed, then compressed with zstd.

use std::cell::RefCell;

use prost::Message;
use shim_proto::checkpoint::v1::CheckpointState;

use crate::domain::hash_chain::{self, Hash};
use crate::error::Error;

/// No state decompresses to more than this; a damaged frame that claims to is refused.
const MAX_STATE_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    /// A zstd context costs more to make than a small state to compress.
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

/// A state ready to be stored.
#[derive(Debug, Clone)]
pub(crate) struct EncodedState {
    /// zstd of the encoded state.
    pub(crate) bytes: Vec<u8>,
    /// Size of the encoded state.
    pub(crate) state_bytes: u64,
    /// BLAKE3 of the encoded state.
    pub(crate) hash: Hash,
}

/// Encodes, hashes and compresses.
pub(crate) fn encode_state(state: &CheckpointState, level: u32) -> Result<EncodedState, Error> {
    let plain = state.encode_to_vec();
    let level = i32::try_from(level).unwrap_or(1);
    let bytes = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(of, _)| *of != level) {
            *slot = Some((level, zstd::bulk::Compressor::new(level)?));
        }
        match slot {
            Some((_, compressor)) => compressor.compress(&plain),
            None => zstd::bulk::compress(&plain, level),
        }
    });
    let bytes =
        bytes.map_err(|error| Error::StoreUnavailable(format!("compression failed: {error}")))?;
    Ok(EncodedState {
        bytes,
        state_bytes: plain.len() as u64,
        hash: hash_chain::hash(&plain),
    })
}

/// Decompresses, verifies and decodes; `None` if anything does not fit.
pub(crate) fn decode_state(bytes: &[u8], hash: &Hash) -> Option<CheckpointState> {
    let encoded = zstd::bulk::decompress(bytes, MAX_STATE_BYTES.min(claimed_size(bytes)?)).ok()?;
    if hash_chain::hash(&encoded) != *hash {
        return None;
    }
    CheckpointState::decode(encoded.as_slice()).ok()
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
        let encoded = encode_state(&state, 1).unwrap();
        assert_eq!(
            decode_state(&encoded.bytes, &encoded.hash),
            Some(state.clone())
        );
        for bit in 0..encoded.bytes.len() * 8 {
            let mut damaged = encoded.bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A flip zstd does not use (such as a reserved bit) may leave the state whole; it must never change it.
            assert!(decode_state(&damaged, &encoded.hash).is_none_or(|seen| seen == state));
        }
    }
}
