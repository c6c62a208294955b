//! The log of a stack that runs detached, and what it says of a start that failed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::Stack;
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

impl Stack {
    /// Opens the log of a stack that runs detached, for more at its end.
    ///
    /// # Errors
    /// If it cannot be made or opened, or is not this user's own.
    pub fn open_log(&self) -> std::io::Result<File> {
        let path = self.log_path();
        if path
            .symlink_metadata()
            .is_ok_and(|meta| meta.len() > MAX_LOG_BYTES)
        {
            std::fs::rename(&path, path.with_extension("log.1"))?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        open_own(&path, &mut options)
    }

    /// The log from here on, for a start that is about to be made.
    #[must_use]
    pub fn log_from_here(&self) -> StartLog {
        let path = self.log_path();
        let from = path.symlink_metadata().map_or(0, |meta| meta.len());
        StartLog { path, from }
    }
}

impl StartLog {
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
