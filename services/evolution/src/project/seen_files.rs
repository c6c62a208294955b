//! Source files that were read before, so that a file that nobody touched is not read again.
//!
//! A file cannot change without its change time, which no program sets at will: what has the same size, number and times is
//! what it was. Times are only as fine as the clock of the file system, so a file that changed shortly before it was read is
//! read again the next time, as git does with the files of its index.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clocks of file systems are no coarser.
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

/// What changes with every change of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    device: u64,
    number: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            bytes: meta.len(),
            device: meta.dev(),
            number: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// When the file was last written.
    pub(super) fn modified(&self) -> SystemTime {
        time(self.modified)
    }

    /// Whether a change at `now` would show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let last = time(self.modified).max(time(self.changed));
        now.duration_since(last)
            .is_ok_and(|age| age > COARSEST_CLOCK)
    }
}

/// A time before 1970 counts as 1970.
fn time((seconds, nanoseconds): (i64, i64)) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

/// A file as it was read: a source, or the reason why it is none.
#[derive(Debug)]
pub(super) struct SeenFile<T> {
    stamp: Stamp,
    read: Result<T, String>,
}

impl<T> SeenFile<T> {
    pub(super) fn new(stamp: Stamp, read: Result<T, String>) -> Self {
        Self { stamp, read }
    }
}

/// Source files of one project that were read before.
#[derive(Debug)]
pub(crate) struct SeenFiles<T> {
    files: Mutex<HashMap<PathBuf, SeenFile<T>>>,
}

impl<T> Default for SeenFiles<T> {
    fn default() -> Self {
        Self {
            files: Mutex::default(),
        }
    }
}

impl<T: Clone> SeenFiles<T> {
    /// What a file is, if it was read before and nobody touched it since.
    pub(super) fn of(&self, path: &Path) -> Option<Result<T, String>> {
        let files = self.files();
        files.get(path)?;
        drop(files);
        let stamp = Stamp::of(&path.symlink_metadata().ok()?);
        let files = self.files();
        let seen = files.get(path).filter(|seen| seen.stamp == stamp)?;
        Some(seen.read.clone())
    }

    /// Adds a file that was read at `now`. One whose next change might not show is forgotten.
    pub(super) fn add(&self, path: &Path, now: SystemTime, file: SeenFile<T>) {
        if file.stamp.is_settled(now) {
            self.files().insert(path.to_path_buf(), file);
        } else {
            self.files().remove(path);
        }
    }

    /// Forgets files that are not among `paths`, relative to `root`.
    pub(crate) fn keep<'a>(&self, root: &Path, paths: impl Iterator<Item = &'a str>) {
        let mut files = self.files();
        let kept = paths.filter_map(|path| files.remove_entry(&root.join(path)));
        let kept = kept.collect();
        *files = kept;
    }

    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, SeenFile<T>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> SystemTime {
        SystemTime::now() + 2 * COARSEST_CLOCK
    }

    fn seen(path: &Path, now: SystemTime) -> SeenFiles<()> {
        let seen = SeenFiles::default();
        let stamp = Stamp::of(&path.metadata().unwrap());
        seen.add(path, now, SeenFile::new(stamp, Err("a reason".to_owned())));
        seen
    }

    #[test]
    fn a_file_that_nobody_touched_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        std::fs::write(&path, "one").unwrap();
        let files = seen(&path, later());
        assert_eq!(files.of(&path), Some(Err("a reason".to_owned())));
        assert_eq!(files.of(&folder.path().join("b.js")), None);
        files.keep(folder.path(), ["a.js"].into_iter());
        assert!(files.of(&path).is_some());
        files.keep(folder.path(), std::iter::empty());
        assert_eq!(files.of(&path), None);
    }

    #[test]
    fn a_change_of_the_same_size_and_time_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        std::fs::write(&path, "one").unwrap();
        let modified = path.metadata().unwrap().modified().unwrap();
        let files = seen(&path, later());
        let other = folder.path().join("b.js");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(files.of(&path), None);
    }

    #[test]
    fn a_file_that_was_read_right_after_its_change_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(seen(&path, SystemTime::now()).of(&path), None);
        let before = SystemTime::now() - Duration::from_secs(3_600);
        assert_eq!(
            seen(&path, before).of(&path),
            None,
            "a clock that was put back"
        );
    }
}
