//! The file that hooks append to, held under its lock.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use shim_runtime::data_dir::open_own;

const NAME: &str = "active";
/// An append takes microseconds; whoever has the lock for longer was stopped.
const LOCKED_WITHIN: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(1);

/// The file, which nobody else writes or renames while this lives.
pub(super) struct Active {
    path: PathBuf,
    pub(super) file: Flock<File>,
}

impl Active {
    /// Opens and locks the file, made if it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.append(true).read(true).create(true).mode(0o600);
        Self::locked(path, &mut options)
    }

    /// Opens and locks the file; `None` if there is none.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        match Self::locked(path, OpenOptions::new().append(true).read(true)) {
            Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    fn locked(path: PathBuf, options: &mut OpenOptions) -> Result<Self> {
        let until = Instant::now() + LOCKED_WITHIN;
        loop {
            let opened = open_own(&path, options)?;
            match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
                // The one that was opened may have got another name while its lock was waited for.
                Ok(file) if is_at(&file, &path) => return Ok(Self { path, file }),
                Ok(_) => {}
                Err((_, Errno::EWOULDBLOCK)) if Instant::now() < until => std::thread::sleep(POLL),
                Err((_, why)) => return Err(Error::from(why)),
            }
        }
    }

    /// Whether the last line has no end.
    pub(super) fn is_torn(&self) -> Result<bool> {
        let Some(last) = self.file.metadata()?.len().checked_sub(1) else {
            return Ok(false);
        };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        Ok(byte != *b"\n")
    }

    /// Gives the file its own name; the next hook begins another.
    pub(super) fn complete(self, name: &Path) -> Result<()> {
        std::fs::rename(&self.path, name)
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let there = path
        .symlink_metadata()
        .map(|there| (there.dev(), there.ino()));
    let opened = file.metadata().map(|opened| (opened.dev(), opened.ino()));
    there.is_ok_and(|there| opened.is_ok_and(|opened| opened == there))
}
