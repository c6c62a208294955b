//! Files in PEM, and why one cannot be used.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::data_dir::{OpenError, read_config_file};

/// The connection of a peer that does not finish its handshake in this time is closed.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A bundle of all authorities has some 250 KiB.
const MAX_BYTES: u64 = 16 << 20;

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{key} {path}: {why}")]
pub struct TlsError {
    key: &'static str,
    path: PathBuf,
    why: std::io::Error,
}

impl TlsError {
    pub(super) fn new(key: &'static str, path: &Path, why: std::io::Error) -> Self {
        Self {
            key,
            path: path.to_path_buf(),
            why,
        }
    }
}

/// The content of the file that the configuration names under `key`.
pub(super) fn read_pem(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = read_config_file(path, MAX_BYTES).map(|(content, _)| content);
    read.map_err(|error| {
        let why = match error {
            OpenError::Io(why) => why,
            other => std::io::Error::other(other),
        };
        TlsError::new(key, path, why)
    })
}
