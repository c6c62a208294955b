//! Files in PEM, and why one cannot be used.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The connection of a peer that does not finish its handshake in this time is closed.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

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
    std::fs::read(path).map_err(|why| TlsError::new(key, path, why))
}
