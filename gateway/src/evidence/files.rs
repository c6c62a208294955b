//! Size, time and BLAKE3 of files, read by a few threads within a budget.
//!
//! Only regular files are opened, and without blocking, so a FIFO or a device put in a file's place cannot hold a
//! call or have a side effect.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use prost_types::Timestamp;
use shim_proto::checkpoint::v1::{FilePresence, FileState};

/// More files than this are looked at but not hashed.
const MAX_HASHED_FILES: usize = 200;
/// Larger files are looked at but not hashed.
const MAX_HASHED_BYTES: u64 = 16 << 20;
/// Hashing stops here; the rest is only looked at.
const HASHING_BUDGET: Duration = Duration::from_secs(2);
/// Even a look can hang, on a network file system that is gone; then the call goes on without.
const INSPECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// More threads than this do not help a disk.
const MAX_THREADS: usize = 4;
/// So many files, and bytes of all of them, are read by one thread.
const SMALL_FILES: usize = 16;
const SMALL_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// Looks at `paths`; relative ones start from `folder`. Answers for every path, in order.
pub async fn inspect(folder: Option<PathBuf>, paths: Vec<String>) -> Vec<FileState> {
    if paths.is_empty() {
        return Vec::new();
    }
    let inspection = Arc::new(Inspection::new(folder, paths));
    let work = inspection.clone();
    let finished = tokio::task::spawn_blocking(move || work.run());
    match tokio::time::timeout(INSPECTION_TIMEOUT, finished).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "looking at the active files failed"),
        Err(_) => {
            tracing::warn!(
                "looking at the active files took too long; going on with what was seen"
            );
        }
    }
    inspection.states()
}

struct Inspection {
    folder: Option<PathBuf>,
    paths: Vec<String>,
    next: AtomicUsize,
    hashed: AtomicUsize,
    deadline: Instant,
    states: Mutex<Vec<FileState>>,
}

impl Inspection {
    fn new(folder: Option<PathBuf>, paths: Vec<String>) -> Self {
        let unspecified = paths
            .iter()
            .map(|path| FileState {
                path: path.clone(),
                ..FileState::default()
            })
            .collect();
        Self {
            folder,
            paths,
            next: AtomicUsize::new(0),
            hashed: AtomicUsize::new(0),
            deadline: Instant::now() + HASHING_BUDGET,
            states: Mutex::new(unspecified),
        }
    }

    fn run(&self) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(MAX_THREADS).min(self.paths.len());
        let threads = if self.is_small() { 1 } else { threads };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.inspect_remaining());
            }
            self.inspect_remaining();
        });
    }

    /// Whether a second thread would cost more than it saves.
    fn is_small(&self) -> bool {
        let size = |path: &String| {
            let folder = self.folder.as_deref().unwrap_or(Path::new(""));
            std::fs::metadata(folder.join(path)).map_or(0, |it| it.len())
        };
        self.paths.len() <= SMALL_FILES && self.paths.iter().map(size).sum::<u64>() <= SMALL_BYTES
    }

    fn inspect_remaining(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = self.paths.get(index) else {
                return;
            };
            let state = self.inspect_path(path);
            if let Some(entry) = self
                .states
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_mut(index)
            {
                *entry = state;
            }
        }
    }

    fn inspect_path(&self, path: &str) -> FileState {
        let mut state = FileState {
            path: path.to_owned(),
            ..FileState::default()
        };
        let full = match &self.folder {
            Some(folder) => folder.join(path),
            None if Path::new(path).is_absolute() => PathBuf::from(path),
            None => return state,
        };
        match std::fs::metadata(&full) {
            Ok(metadata) if metadata.is_file() => self.inspect_file(&full, &metadata, &mut state),
            Ok(_) => state.set_presence(FilePresence::Unreadable),
            Err(error) if is_absence(&error) => state.set_presence(FilePresence::Missing),
            Err(_) => state.set_presence(FilePresence::Unreadable),
        }
        state
    }

    fn inspect_file(&self, path: &Path, metadata: &Metadata, state: &mut FileState) {
        state.set_presence(FilePresence::Present);
        state.size_bytes = metadata.len();
        state.modified_at = metadata.modified().ok().map(Timestamp::from);
        let in_budget = metadata.len() <= MAX_HASHED_BYTES && Instant::now() < self.deadline;
        if !in_budget || self.hashed.fetch_add(1, Ordering::Relaxed) >= MAX_HASHED_FILES {
            return;
        }
        match self.hash(path) {
            Ok(Some(hash)) => state.blake3 = hash,
            Ok(None) => {}
            Err(error) if is_absence(&error) => state.set_presence(FilePresence::Missing),
            Err(_) => state.set_presence(FilePresence::Unreadable),
        }
    }

    /// `None` if the file outgrew the budget while it was read.
    fn hash(&self, path: &Path) -> std::io::Result<Option<String>> {
        let mut file = open_regular(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return Ok(Some(hasher.finalize().to_hex().to_string()));
            }
            hasher.update(&chunk[..read]);
            if hasher.count() > MAX_HASHED_BYTES || Instant::now() >= self.deadline {
                return Ok(None);
            }
        }
    }

    fn states(&self) -> Vec<FileState> {
        self.states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Opens a file that is regular even if the path was swapped since it was looked at.
fn open_regular(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("no regular file"))
    }
}

/// A path below something that is no folder names nothing, too.
pub(super) fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn inspect_path(folder: &Path, paths: &[&str]) -> Vec<FileState> {
        inspect(
            Some(folder.to_path_buf()),
            paths.iter().map(|&path| path.to_owned()).collect(),
        )
        .await
    }

    #[tokio::test]
    async fn every_path_gets_its_answer_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "hello").unwrap();
        let states = inspect_path(folder.path(), &["a", "gone", ".", "a/below"]).await;
        assert_eq!(states[0].blake3, blake3::hash(b"hello").to_hex().as_str());
        assert_eq!(
            (states[0].size_bytes, states[0].presence()),
            (5, FilePresence::Present)
        );
        assert!(states[0].modified_at.is_some());
        let presences: Vec<_> = states.iter().map(FileState::presence).collect();
        use FilePresence::{Missing, Present, Unreadable};
        assert_eq!(presences, [Present, Missing, Unreadable, Missing]);
    }

    #[tokio::test]
    async fn a_fifo_is_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let states = inspect_path(folder.path(), &["pipe"]).await;
        assert_eq!(states[0].presence(), FilePresence::Unreadable);
        assert!(open_regular(&folder.path().join("pipe")).is_err());
    }

    #[tokio::test]
    async fn large_files_and_files_past_the_count_are_looked_at_but_not_hashed() {
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("large"))
            .unwrap()
            .set_len(MAX_HASHED_BYTES + 1)
            .unwrap();
        std::fs::write(folder.path().join("a"), "x").unwrap();
        let mut paths = vec!["large"];
        paths.extend(["a"; MAX_HASHED_FILES + 5]);
        let states = inspect_path(folder.path(), &paths).await;
        assert!(
            states
                .iter()
                .all(|file| file.presence() == FilePresence::Present)
        );
        assert_eq!(states[0].blake3, "");
        assert_eq!(
            states.iter().filter(|file| !file.blake3.is_empty()).count(),
            MAX_HASHED_FILES
        );
    }

    #[tokio::test]
    async fn without_a_folder_relative_paths_are_left_unseen() {
        let states = inspect(None, vec!["a".into(), "/nowhere/at/all".into()]).await;
        assert_eq!(states[0].presence(), FilePresence::Unspecified);
        assert_eq!(states[1].presence(), FilePresence::Missing);
    }
}
