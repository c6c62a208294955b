//! A lock file of a data folder: the kernel drops the lock with its process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

/// A look at a lock takes it for a moment, which is waited out.
const TAKEN_WITHIN: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Takes the lock, making the file if it is missing; `None` if another process keeps it. What stands in the file stays.
///
/// # Errors
/// If the file cannot be opened.
pub(super) fn take(path: &Path) -> std::io::Result<Option<Flock<File>>> {
    let deadline = Instant::now() + TAKEN_WITHIN;
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err(_) if Instant::now() < deadline => std::thread::sleep(POLL_INTERVAL),
            Err(_) => return Ok(None),
        }
    }
}
