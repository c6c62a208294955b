//! The lock that keeps every other process out of a database.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::error::OpenError;
use crate::schema::Schema;

/// Held from the opening of a database until its last connection is closed.
#[derive(Debug)]
pub(crate) struct DatabaseLock(#[expect(dead_code, reason = "held for its Drop")] Flock<File>);

impl DatabaseLock {
    /// Takes the lock, or refuses at once.
    pub(crate) fn take(schema: &Schema, data_dir: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(schema.lock_path(data_dir))
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err(_) => Err(OpenError::InUse(data_dir.display().to_string())),
        }
    }
}
