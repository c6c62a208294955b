//! Files with output that does not fit into a result. Only their owner may read them, and they are removed after a while.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::OFlag;
use shim_runtime::stack::make_private_dir;
use tokio::fs::{File, OpenOptions};

/// How often old files are removed, as new ones are made.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// The folder of artifacts.
#[derive(Debug)]
pub struct Artifacts {
    folder: PathBuf,
    keep: Duration,
    pruned: Mutex<Instant>,
}

impl Artifacts {
    /// Makes the folder, and removes files that were last written longer ago than `keep`. On a full disk the folder is made
    /// with the first file that there is room for.
    ///
    /// # Errors
    /// If the folder cannot be made for another reason.
    pub fn open(folder: &Path, keep: Duration) -> std::io::Result<Self> {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match make_private_dir(folder) {
            Err(why) if matches!(why.kind(), StorageFull | QuotaExceeded) => {
                tracing::warn!(%why, folder = %folder.display(), "long output is not kept for now");
            }
            made => made?,
        }
        prune(folder, keep);
        Ok(Self {
            folder: folder.to_path_buf(),
            keep,
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

    /// A new file that only its owner may read.
    pub(crate) async fn create(&self, path: &Path) -> std::io::Result<File> {
        if self.is_time_to_prune() {
            let (folder, keep) = (self.folder.clone(), self.keep);
            tokio::task::spawn_blocking(move || prune(&folder, keep)).await?;
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_id_names_a_file_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), Duration::from_secs(60)).unwrap();
        let path = artifacts.path("../../etc/passwd", 7, "stdout");
        assert_eq!(path, folder.path().join("______etc_passwd-7.stdout"));
    }

    #[tokio::test]
    async fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), Duration::from_secs(60)).unwrap();
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
        Artifacts::open(folder.path(), week).unwrap();
        assert!(!old.exists() && new.exists());
    }
}
