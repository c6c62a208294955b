//! Whether changes can be kept now: the outcome of the newest commit, and a try of the folder.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::error::SqliteError;

/// As much as a large checkpoint takes.
const TRIED_BYTES: usize = 256 * 1024;
/// With less room than this, only a try tells whether a change can be kept.
const DOUBTFUL_BELOW_BYTES: u64 = 2 * TRIED_BYTES as u64;

/// Whether the disk of the folder has so little room that a change may not fit.
#[allow(
    clippy::useless_conversion,
    reason = "the width of these counts differs between platforms"
)]
pub(crate) fn is_nearly_full(data_dir: &Path) -> bool {
    statvfs(data_dir).is_ok_and(|stat| {
        let blocks = u64::from(stat.blocks_available());
        blocks.saturating_mul(u64::from(stat.fragment_size())) < DOUBTFUL_BELOW_BYTES
    })
}

/// Writes a file of the size of a large change into the folder, and removes it.
///
/// # Errors
/// With what the system says, as a change would be refused.
pub(crate) fn try_folder(data_dir: &Path, name: &str) -> Result<(), SqliteError> {
    let path = data_dir.join(format!("{name}.try"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| {
            file.write_all(&vec![0xA5; TRIED_BYTES])?;
            file.sync_data()
        });
    let _ = std::fs::remove_file(&path);
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            SqliteError::DiskFull
        }
        _ => SqliteError::Unavailable(format!("the data folder cannot be written: {error}")),
    })
}
