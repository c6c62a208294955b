//! What the system says of a file: which one it is, how long, and when it was changed last.
//!
//! A file with the stamp that it had is as it was, if that stamp was old enough: the system's clock of files moves in steps
//! of some milliseconds, and two changes within one step look like one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer than any step of a clock of files.
const STEP: Duration = Duration::from_millis(50);

/// Which file of the system is meant, whatever its name is.
pub(crate) type FileId = (u64, u64);

/// The stamp of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) id: FileId,
    bytes: u64,
    /// When its contents were changed, which a program can set, and when anything of it was, which none can.
    times: [(i64, i64); 2],
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            id: (meta.dev(), meta.ino()),
            bytes: meta.len(),
            times: [
                (meta.mtime(), meta.mtime_nsec()),
                (meta.ctime(), meta.ctime_nsec()),
            ],
        }
    }

    /// Whether a change from now on gives another stamp.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = since.saturating_sub(STEP);
        let before = (
            i64::try_from(before.as_secs()).unwrap_or(i64::MAX),
            i64::from(before.subsec_nanos()),
        );
        self.times.iter().all(|time| *time < before)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_gives_another_stamp_once_the_one_before_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path.metadata().unwrap());
        assert!(!first.is_settled(SystemTime::now() - STEP));
        while !first.is_settled(SystemTime::now()) {
            std::thread::yield_now();
        }
        std::fs::write(&path, "two").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let (seconds, nanos) = first.times[0];
        let set = UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), u32::try_from(nanos).unwrap());
        file.set_modified(set).unwrap();
        let second = Stamp::of(&path.metadata().unwrap());
        assert_eq!((second.id, second.bytes), (first.id, first.bytes));
        assert_ne!(first, second, "however the file says that it was changed");
    }
}
