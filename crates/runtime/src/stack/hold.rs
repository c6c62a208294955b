//! The lock of a hold on a data folder.
//!
//! The invariant: whoever starts a stack takes the stack's lock first and then looks for a hold; whoever holds takes the hold
//! first and then waits for the stack's lock. So one of the two always sees the other.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

/// A look at the hold takes a lock of its own for a moment, which is waited out.
const TAKEN_WITHIN: Duration = Duration::from_millis(300);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The lock; the kernel drops it with the process.
#[derive(Debug)]
pub(super) struct HoldLock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

/// Takes the lock of the folder, which exists, and says in it what for. `Err` inside is what another process holds it for.
pub(super) fn take(data_dir: &Path, why: &str) -> std::io::Result<Result<HoldLock, String>> {
    let deadline = Instant::now() + TAKEN_WITHIN;
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path(data_dir))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                // Only a text for people: on a full disk the hold holds without it.
                let _ = lock
                    .set_len(0)
                    .and_then(|()| lock.write_all(why.as_bytes()));
                return Ok(Ok(HoldLock(lock)));
            }
            Err(_) if Instant::now() < deadline => std::thread::sleep(POLL_INTERVAL),
            Err(_) => return Ok(Err(reason(data_dir).unwrap_or_default())),
        }
    }
}

/// What the folder is held for, if it is held.
pub(super) fn reason(data_dir: &Path) -> Option<String> {
    let file = File::open(path(data_dir)).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_probe) => None,
        Err((mut file, _)) => {
            let mut why = String::new();
            let _ = file.read_to_string(&mut why);
            Some(if why.is_empty() {
                "it is being worked on".to_owned()
            } else {
                why
            })
        }
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("hold.lock")
}
