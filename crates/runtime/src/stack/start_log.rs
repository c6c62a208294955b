//! The log of a stack that runs detached, and what it says of a start that failed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::data_dir::open_own;

/// A log larger than this is set aside at the next start; one old log is kept.
const MAX_LOG_BYTES: u64 = 10 * 1024 * 1024;
/// More than one start writes before it fails.
const MAX_READ_BYTES: u64 = 1024 * 1024;

/// What one start adds to the log.
#[derive(Debug, Clone)]
pub struct StartLog {
    path: PathBuf,
    /// The size of the log before the start.
    from: u64,
}

/// Opens the log at this path, for more at its end.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    if path
        .symlink_metadata()
        .is_ok_and(|meta| meta.len() > MAX_LOG_BYTES)
    {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    open_own(path, &mut options)
}

impl StartLog {
    /// What is added to the log at this path from now on.
    pub(super) fn from_here(path: PathBuf) -> Self {
        let from = path.symlink_metadata().map_or(0, |meta| meta.len());
        Self { path, from }
    }

    /// Why the start failed: its last `error:` line, else its last line.
    #[must_use]
    pub fn last_line(&self) -> String {
        let log = self.read().unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut errors = log
            .lines()
            .rev()
            .filter_map(|line| line.strip_prefix("error: "));
        let said = errors.next().or(log.lines().last());
        said.unwrap_or("it said nothing").to_owned()
    }

    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut file = open_own(&self.path, OpenOptions::new().read(true))?;
        // A shorter one was begun anew meanwhile.
        let size = file.metadata()?.len();
        let from = if size < self.from { 0 } else { self.from };
        file.seek(SeekFrom::Start(
            from.max(size.saturating_sub(MAX_READ_BYTES)),
        ))?;
        let mut added = Vec::new();
        file.take(MAX_READ_BYTES).read_to_end(&mut added)?;
        Ok(added)
    }
}
