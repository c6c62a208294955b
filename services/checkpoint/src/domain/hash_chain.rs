//! The hash chain: what proves that a stored row is the one that was written.
//!
//! (A) A checkpoint's hash covers its header, its state and, through the header, its predecessor's hash.
//! (B) A row whose hash does not match is damaged; no part of it may be used.

use prost::Message;
use shim_proto::checkpoint::v1::Checkpoint;

/// A BLAKE3 hash.
pub(crate) type Hash = [u8; 32];

/// The hash of a record or a state by itself.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// The hash of a checkpoint from its stored header and the hash of its state.
pub(crate) fn checkpoint_hash(header: &[u8], state_hash: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header);
    hasher.update(state_hash);
    *hasher.finalize().as_bytes()
}

/// The hash of a list from that of its entries before and the hash of its last one.
pub(crate) fn next_hash(before: &[u8], last: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before);
    hasher.update(last);
    *hasher.finalize().as_bytes()
}

/// Lower-case hex.
pub(crate) fn hex(hash: &Hash) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

/// The hash a hex text names.
pub(crate) fn from_hex(text: &str) -> Option<Hash> {
    blake3::Hash::from_hex(text)
        .ok()
        .map(|hash| *hash.as_bytes())
}

/// The header as it is sealed: without what is only known or set later (its own hash, thinning).
pub(crate) fn header_bytes(checkpoint: &Checkpoint) -> Vec<u8> {
    let hashed = Checkpoint {
        hash: String::new(),
        thinned_at: None,
        ..checkpoint.clone()
    };
    hashed.encode_to_vec()
}
