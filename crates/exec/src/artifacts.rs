//! Files with output that does not fit into a result. Only their owner may read them, and they are removed after a while, or
//! when newer ones need their room.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::OFlag;
use shim_runtime::stack::make_private_dir;
use tokio::fs::{File, OpenOptions};

/// A file keeps no more than this of one stream.
pub const MAX_ARTIFACT_BYTES: u64 = 16 * 1024 * 1024;

/// How often old files are removed, as new ones are made.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// A file that was written within this time may still be.
const IN_USE: Duration = Duration::from_secs(300);
/// How the names of artifacts end.
const ENDINGS: [&str; 2] = ["stdout", "stderr"];

/// How long artifacts stay, and how much there may be of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// How long after their last byte.
    pub time: Duration,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Some of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Files {
    /// How many.
    pub number: u64,
    /// How large they are together.
    pub bytes: u64,
}

/// The folder of artifacts.
#[derive(Debug)]
pub struct Artifacts {
    folder: PathBuf,
    keeping: Keeping,
    pruned: Mutex<Instant>,
}

impl Artifacts {
    /// Makes the folder, and removes files that were last written too long ago. On a full disk the folder is made
    /// with the first file that there is room for.
    ///
    /// # Errors
    /// If the folder cannot be made for another reason.
    pub fn open(folder: &Path, keeping: Keeping) -> std::io::Result<Self> {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match make_private_dir(folder) {
            Err(why) if matches!(why.kind(), StorageFull | QuotaExceeded) => {
                tracing::warn!(%why, folder = %folder.display(), "long output is not kept for now");
            }
            made => made?,
        }
        prune(folder, keeping.time);
        Ok(Self {
            folder: folder.to_path_buf(),
            keeping,
            pruned: Mutex::new(Instant::now()),
        })
    }

    /// Where the output of a stream goes, for the run `run` of some work. A work's id comes from outside and names no other
    /// folder: all but plain characters are replaced.
    #[must_use]
    pub fn path(&self, work_id: &str, run: u64, stream: &str) -> PathBuf {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let work: String = work_id.chars().take(64).map(plain).collect();
        self.folder.join(format!("{work}-{run}.{stream}"))
    }

    /// How much there is of them in a folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Files {
        Files::of(&listed(folder))
    }

    /// Those that were last written longer ago than `age`; removes them if that is asked for.
    #[must_use]
    pub fn of_age(folder: &Path, age: Duration, removes: bool) -> Files {
        let mut found = listed(folder);
        let oldest = SystemTime::now().checked_sub(age);
        found.retain(|file| oldest.is_some_and(|oldest| file.written < oldest));
        if removes {
            found.retain(|file| std::fs::remove_file(&file.path).is_ok());
        }
        Files::of(&found)
    }

    /// A new file that only its owner may read.
    ///
    /// # Errors
    /// Of the disk; [`std::io::ErrorKind::QuotaExceeded`] if files that may still be written take all the room there may be.
    pub(crate) async fn create(&self, path: &Path) -> std::io::Result<File> {
        let (folder, keeping) = (self.folder.clone(), self.keeping);
        let is_time = self.is_time_to_prune();
        let made = tokio::task::spawn_blocking(move || {
            if is_time {
                prune(&folder, keeping.time);
            }
            make_room(&folder, keeping.bytes)
        });
        made.await??;
        make_private_dir(&self.folder)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            // The folder may be configured to be one in which others have a hand.
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .await
    }

    fn is_time_to_prune(&self) -> bool {
        let mut pruned = self.pruned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = pruned.elapsed() >= PRUNE_EVERY;
        if is_time {
            *pruned = Instant::now();
        }
        is_time
    }
}

/// Removes the files that were last written longer ago than `keep`. A file that cannot be removed is tried again next time.
fn prune(folder: &Path, keep: Duration) {
    let Some(oldest) = SystemTime::now().checked_sub(keep) else {
        return;
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|meta| meta.modified());
        if modified.is_ok_and(|modified| modified < oldest) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// One of the files.
struct Listed {
    path: PathBuf,
    written: SystemTime,
    bytes: u64,
}

impl Files {
    fn of(listed: &[Listed]) -> Self {
        Self {
            number: listed.len() as u64,
            bytes: listed.iter().map(|file| file.bytes).sum(),
        }
    }
}

/// The files by their names: a configured folder may hold others, too.
fn listed(folder: &Path) -> Vec<Listed> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let artifact = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str())?;
        let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        ENDINGS.contains(&ending).then(|| {
            Some(Listed {
                written: about.modified().ok()?,
                bytes: about.len(),
                path,
            })
        })?
    };
    entries.filter_map(artifact).collect()
}

/// Removes the oldest files until a whole new one fits.
fn make_room(folder: &Path, max: u64) -> std::io::Result<()> {
    let mut files = listed(folder);
    let mut used = Files::of(&files).bytes;
    if used + MAX_ARTIFACT_BYTES <= max {
        return Ok(());
    }
    files.sort_by_key(|file| file.written);
    let in_use = SystemTime::now().checked_sub(IN_USE);
    let may_go = |file: &&Listed| in_use.is_some_and(|since| file.written < since);
    for file in files.iter().filter(may_go) {
        if std::fs::remove_file(&file.path).is_ok() {
            used -= file.bytes;
        }
        if used + MAX_ARTIFACT_BYTES <= max {
            return Ok(());
        }
    }
    let full = "the files of output take all the room that they may (worker.max_artifacts)";
    Err(std::io::Error::new(std::io::ErrorKind::QuotaExceeded, full))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: Keeping = Keeping {
        time: Duration::from_secs(60),
        bytes: 1 << 30,
    };

    #[tokio::test]
    async fn the_oldest_files_make_room_and_those_in_use_stay() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            time: Duration::from_secs(7 * 86_400),
            bytes: MAX_ARTIFACT_BYTES + 100,
        };
        let artifacts = Artifacts::open(folder.path(), keeping).unwrap();
        let make = |name: &str, bytes: usize, age: u64| {
            let path = folder.path().join(name);
            std::fs::write(&path, vec![b'x'; bytes]).unwrap();
            let written = SystemTime::now() - Duration::from_secs(age);
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(written).unwrap();
        };
        make("oldest-1.stdout", 60, 9_000);
        make("old-1.stderr", 60, 8_000);
        make("new-1.stdout", 60, 0);
        make("notes.txt", 60, 9_000);
        let is_there = |name: &str| folder.path().join(name).exists();
        let path = artifacts.path("work", 1, "stdout");
        drop(artifacts.create(&path).await.unwrap());
        assert!(!is_there("oldest-1.stdout") && !is_there("old-1.stderr"));
        assert!(is_there("new-1.stdout") && is_there("notes.txt"));
        make("more-1.stdout", 60, 0);
        let refused = artifacts.create(&artifacts.path("work", 2, "stdout")).await;
        let refused = refused.map(drop).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::QuotaExceeded);
        assert_eq!(
            Artifacts::in_folder(folder.path()),
            Files {
                number: 3,
                bytes: 120
            }
        );
        let counted = Artifacts::of_age(folder.path(), Duration::ZERO, false);
        assert_eq!(
            counted,
            Artifacts::of_age(folder.path(), Duration::ZERO, true)
        );
        assert_eq!(counted.number, 3);
        assert!(is_there("notes.txt"));
        assert_eq!(Artifacts::in_folder(folder.path()), Files::default());
    }

    #[test]
    fn no_id_names_a_file_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), MINUTE).unwrap();
        let path = artifacts.path("../../etc/passwd", 7, "stdout");
        assert_eq!(path, folder.path().join("______etc_passwd-7.stdout"));
    }

    #[tokio::test]
    async fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), MINUTE).unwrap();
        let (path, other) = (
            artifacts.path("work", 1, "stdout"),
            folder.path().join("other"),
        );
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(artifacts.create(&path).await.is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
    }

    #[test]
    fn old_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let week = Duration::from_secs(7 * 86_400);
        std::fs::File::create(&old)
            .unwrap()
            .set_modified(SystemTime::now() - week * 2)
            .unwrap();
        std::fs::write(&new, "").unwrap();
        let keeping = Keeping {
            time: week,
            ..MINUTE
        };
        Artifacts::open(folder.path(), keeping).unwrap();
        assert!(!old.exists() && new.exists());
    }
}
