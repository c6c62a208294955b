//! The contents of files that configure something.

use std::path::Path;

use super::packages::stat;

/// A larger configuration is data.
const MAX_BYTES: u64 = 4 << 20;

/// A hash of a file's bytes; of its size and times if it is too large, and of nothing if it is not there.
pub(super) fn content(path: &Path) -> blake3::Hash {
    let is_small = path
        .metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_BYTES);
    let bytes = if is_small {
        std::fs::read(path).ok()
    } else {
        None
    };
    match bytes {
        Some(bytes) => blake3::hash(&bytes),
        None => stat(path),
    }
}
