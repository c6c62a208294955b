//! A hold on a data folder: while someone has it, no stack starts there, and gateways wait.
//!
//! The invariant: whoever starts a stack takes the stack's lock first and then looks for a hold; whoever holds takes the hold
//! first and then waits for the stack's lock. So one of the two always sees the other.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::fcntl::{Flock, FlockArg};

use super::{ACQUIRE_TIMEOUT, POLL_INTERVAL, Stack, StackError, StackLock, make_private_dir};

/// The exclusive use of a data folder. Dropping it lets stacks start again; the kernel drops it with the process.
#[derive(Debug)]
pub struct Hold {
    stack: Stack,
    _lock: Flock<File>,
}

impl Hold {
    /// Takes the hold; `why` is what others are told, such as "a backup is being restored". It does not stop a stack that
    /// runs.
    ///
    /// # Errors
    /// [`StackError::Held`] if another process has it; the folder cannot be used.
    pub fn take(stack: &Stack, why: &str) -> Result<Self, StackError> {
        let fail = |e| StackError::DataDir(stack.data_dir.clone(), e);
        make_private_dir(&stack.data_dir).map_err(fail)?;
        let mut lock = Self::lock(stack)?;
        // Only a text for people: on a full disk the hold holds without it.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.write_all(why.as_bytes()));
        Ok(Self {
            stack: stack.clone(),
            _lock: lock,
        })
    }

    /// A look at the hold takes a lock of its own for a moment, which is waited out.
    fn lock(stack: &Stack) -> Result<Flock<File>, StackError> {
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        loop {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .mode(0o600)
                .open(path(&stack.data_dir))
                .map_err(|e| StackError::DataDir(stack.data_dir.clone(), e))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err(_) if Instant::now() < deadline => std::thread::sleep(POLL_INTERVAL),
                Err(_) => {
                    let why = reason(&stack.data_dir);
                    return Err(StackError::Held(why.unwrap_or_default()));
                }
            }
        }
    }

    /// Takes the stack's lock under this hold, once no stack has it.
    ///
    /// # Errors
    /// [`StackError::AlreadyRunning`] if a stack has it.
    pub fn lock_stack(&self) -> Result<StackLock, StackError> {
        self.stack.lock()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::StackState;
    use super::*;

    #[test]
    fn while_a_folder_is_held_no_stack_starts_there() {
        let folder = tempfile::tempdir().unwrap();
        let stack = Stack::at(folder.path());
        let hold = Hold::take(&stack, "a backup is being restored").unwrap();
        assert_eq!(
            stack.state(),
            StackState::Held("a backup is being restored".into())
        );
        assert!(matches!(stack.acquire(), Err(StackError::Held(why)) if why.contains("backup")));
        assert!(matches!(
            Hold::take(&stack, "another"),
            Err(StackError::Held(_))
        ));
        let under = hold.lock_stack().unwrap();
        assert!(matches!(stack.state(), StackState::Held(_)));
        drop(under);
        drop(hold);
        assert_eq!(stack.state(), StackState::Stopped);
        stack.acquire().unwrap();
    }

    #[test]
    fn a_stack_that_runs_keeps_its_lock_and_is_seen_beside_a_hold() {
        let folder = tempfile::tempdir().unwrap();
        let stack = Stack::at(folder.path());
        let lock = stack.acquire().unwrap();
        let hold = Hold::take(&stack, "an upgrade").unwrap();
        assert!(matches!(hold.lock_stack(), Err(StackError::AlreadyRunning)));
        drop(lock);
        hold.lock_stack().unwrap();
    }
}
