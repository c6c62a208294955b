//! The lock that keeps every other process out of a database, and what the last holder left in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::error::OpenError;
use crate::schema::Schema;

/// A database was opened here.
const OPENED: &str = "opened";
/// Its files were replaced under it.
const REPLACED: &str = "replaced";

/// What the last process that had the lock wrote into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// A database was opened here, so one with contents is to be expected.
    pub(crate) was_opened: bool,
    /// The database was replaced under its service: what lies beside it as its log is another one's.
    pub(crate) was_replaced: bool,
}

impl Record {
    /// What the lock file of the database at `path` says; nothing if there is none.
    pub(crate) fn beside(path: &Path) -> Self {
        let text = std::fs::read_to_string(path.with_extension("lock"));
        text.map_or_else(|_| Self::default(), |text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let has = |word| text.lines().any(|line| line == word);
        Self {
            was_opened: has(OPENED),
            was_replaced: has(REPLACED),
        }
    }
}

/// Held from the opening of a database until its last connection is closed.
#[derive(Debug)]
pub(crate) struct DatabaseLock(Flock<File>);

impl DatabaseLock {
    /// Takes the lock, or refuses at once.
    pub(crate) fn take(schema: &Schema, data_dir: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(schema.lock_path(data_dir))
            .map_err(|source| OpenError::data_dir(data_dir, source))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err(_) => Err(OpenError::InUse(data_dir.display().to_string())),
        }
    }

    /// What the last holder left.
    pub(crate) fn record(&self) -> Record {
        let (mut file, mut text) = (&*self.0, String::new());
        let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
        read.map_or_else(|_| Record::default(), |_| Record::parse(&text))
    }

    /// Leaves word. On a disk that takes nothing, none is left.
    pub(crate) fn note(&self, record: Record) {
        let mut text = String::new();
        for (word, is_so) in [(OPENED, record.was_opened), (REPLACED, record.was_replaced)] {
            if is_so {
                text += word;
                text.push('\n');
            }
        }
        if self.record() == record {
            return;
        }
        let mut file = &*self.0;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            tracing::debug!(%error, "nothing could be noted in the lock of the database");
        }
    }
}
