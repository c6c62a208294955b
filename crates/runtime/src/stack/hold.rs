//! The lock of a hold on a data folder.
//!
//! The invariant: whoever starts a stack takes the stack's lock first and then looks for a hold; whoever holds takes the hold
//! first and then waits for the stack's lock. So one of the two always sees the other.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;

use super::lock_file;

/// The lock; the kernel drops it with the process.
#[derive(Debug)]
pub(super) struct HoldLock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

/// Takes the lock of the folder, which exists, and says in it what for. `Err` inside is what another process holds it for.
pub(super) fn take(data_dir: &Path, why: &str) -> std::io::Result<Result<HoldLock, String>> {
    let Some(mut lock) = lock_file::take(&path(data_dir))? else {
        return Ok(Err(reason(data_dir).unwrap_or_default()));
    };
    // Only a text for people: on a full disk the hold holds without it.
    let _ = lock
        .set_len(0)
        .and_then(|()| lock.write_all(why.as_bytes()));
    Ok(Ok(HoldLock(lock)))
}

/// What the folder is held for, if it is held.
pub(super) fn reason(data_dir: &Path) -> Option<String> {
    let why = lock_file::read_if_taken(&path(data_dir))?;
    Some(if why.is_empty() {
        "it is being worked on".to_owned()
    } else {
        why
    })
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("hold.lock")
}
