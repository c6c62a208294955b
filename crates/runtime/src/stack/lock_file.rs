//! A lock file of a data folder: the kernel drops the lock with its process.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::data_dir::open_own;

/// A look at a lock takes it for a moment, which is waited out.
const TAKEN_WITHIN: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// A stack with a long `PATH` and many settings writes some KiB.
const MAX_BYTES: u64 = 4 << 20;

/// Takes the lock, making the file if it is missing; `None` if another process keeps it. What stands in the file stays.
///
/// # Errors
/// If the file cannot be opened, or is not this user's own.
pub(super) fn take(path: &Path) -> std::io::Result<Option<Flock<File>>> {
    let deadline = Instant::now() + TAKEN_WITHIN;
    loop {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = open_own(path, options.mode(0o600))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err(_) if Instant::now() < deadline => std::thread::sleep(POLL_INTERVAL),
            Err(_) => return Ok(None),
        }
    }
}

/// What stands in the file if another process has its lock; `None` if none has.
pub(super) fn read_if_taken(path: &Path) -> Option<String> {
    let file = open_own(path, OpenOptions::new().read(true)).ok()?;
    let (file, _) = Flock::lock(file, FlockArg::LockSharedNonblock).err()?;
    let mut text = Vec::new();
    // What cannot be read is as good as empty.
    let _ = file.take(MAX_BYTES).read_to_end(&mut text);
    Some(String::from_utf8_lossy(&text).into_owned())
}
