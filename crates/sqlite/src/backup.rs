//! Online backup: a consistent copy while the service goes on writing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::files;

/// Pages copied at a step, and the pause that lets a writer in between.
const STEP_PAGES: i32 = 1_000;
const STEP_DELAY: Duration = Duration::from_millis(2);

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Backups do not overwrite.
    #[error("{0} exists already; choose another name")]
    TargetExists(PathBuf),
    /// There is nothing to back up.
    #[error("there is no database at {0}")]
    NoDatabase(PathBuf),
    /// SQLite failed.
    #[error("the backup failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The finished file could not be put in place.
    #[error("the backup could not be put in place: {0}")]
    Io(#[from] std::io::Error),
}

/// Copies the database at `database` to the new file `target`, whether or not a service uses it. The target appears
/// only when it is complete. `progress` gets (pages copied, pages in all). Answers with the size in bytes.
///
/// # Errors
/// If the target exists, the database does not, or copying fails.
pub fn backup(
    database: &Path,
    target: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<u64, BackupError> {
    if target.exists() {
        return Err(BackupError::TargetExists(target.to_path_buf()));
    }
    if !database.exists() {
        return Err(BackupError::NoDatabase(database.to_path_buf()));
    }
    let source = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let partial = partial_path(target);
    if std::fs::symlink_metadata(&partial).is_ok() {
        // A backup that was killed left it.
        std::fs::remove_file(&partial)?;
    }
    if let Err(error) = copy_to(&source, &partial, &mut progress) {
        // A part is of no use, and may fill the disk.
        let _ = std::fs::remove_file(&partial);
        return Err(error);
    }
    std::fs::rename(&partial, target)?;
    Ok(std::fs::metadata(target)?.len())
}

/// Writes the copy to a new file, and to the disk.
pub(crate) fn copy_to(
    source: &Connection,
    partial: &Path,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), BackupError> {
    files::create_private(partial)?;
    let mut copy = Connection::open(partial)?;
    copy_pages(source, &mut copy, progress)?;
    // One file without a log, so that it can be moved about.
    copy.execute_batch("PRAGMA journal_mode = DELETE")?;
    copy.close().map_err(|(_, error)| error)?;
    std::fs::File::open(partial)?.sync_all()?;
    Ok(())
}

/// The name that the copy has until it is complete.
fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn copy_pages(
    source: &Connection,
    copy: &mut Connection,
    progress: &mut impl FnMut(u64, u64),
) -> Result<(), BackupError> {
    let pages = |n: i32| u64::try_from(n).unwrap_or(0);
    let backup = Backup::new(source, copy)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let at = backup.progress();
        progress(pages(at.pagecount - at.remaining), pages(at.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            _ => std::thread::sleep(STEP_DELAY),
        }
    }
}
