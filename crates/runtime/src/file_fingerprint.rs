//! Whether a file in use has changed, without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Changes when the file does, also if its time is kept. A link is followed: mounts of secrets are changed by pointing
/// the link elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    mode: u32,
}

impl FileFingerprint {
    /// That of the file now.
    ///
    /// # Errors
    /// If there is no such file.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
            mode: found.mode(),
        })
    }

    /// Whether all these kinds of access are closed.
    pub(crate) fn denies(self, access: u32) -> bool {
        self.mode & access == 0
    }
}
