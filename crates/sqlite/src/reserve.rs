//! Room that is kept back on the disk: a file that is given up on a full disk, so that old contents can be dropped there.
//!
//! Dropping contents writes before it frees: SQLite puts every changed page into its log first.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use crate::schema::Schema;

/// Enough for the log of some hundred dropped contents.
const RESERVE_BYTES: u64 = 2 * 1024 * 1024;
/// A small file system gives a smaller part of itself.
const SHARE_OF_DISK: u64 = 16;
/// The reserve is made only where so many times its size is free.
const FREE_FACTOR: u64 = 4;
const CHUNK_BYTES: usize = 64 * 1024;
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The reserve of one data folder.
#[derive(Debug)]
pub(crate) struct Reserve {
    folder: PathBuf,
    file: PathBuf,
    looked: Option<Instant>,
}

impl Reserve {
    pub(crate) fn of(schema: &Schema, data_dir: &Path) -> Self {
        Self {
            folder: data_dir.to_path_buf(),
            file: data_dir.join(format!("{}.reserve", schema.name)),
            looked: None,
        }
    }

    /// Makes the reserve if it is missing and there is room, looking once in five seconds.
    pub(crate) fn restore_in_time(&mut self) {
        if self
            .looked
            .is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
        {
            self.looked = Some(Instant::now());
            self.restore();
        }
    }

    fn restore(&self) {
        let Some((size, free)) = self.room() else {
            return;
        };
        let has_all = std::fs::metadata(&self.file).is_ok_and(|meta| meta.len() >= size);
        if has_all || free < size.saturating_mul(FREE_FACTOR) {
            return;
        }
        if let Err(error) = fill(&self.file, size) {
            tracing::debug!(%error, "no room is kept back");
            self.give_up();
        }
    }

    /// Gives the reserve up if the disk has less room than it. Answers whether room is short.
    pub(crate) fn give_up_if_short(&self) -> bool {
        let is_short = self.room().is_none_or(|(size, free)| free < size);
        if is_short {
            self.give_up();
        }
        is_short
    }

    /// Gives the reserve up.
    pub(crate) fn give_up(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    /// The size that the reserve should have, and the bytes that are free.
    #[allow(
        clippy::useless_conversion,
        reason = "the width of these counts differs between platforms"
    )]
    fn room(&self) -> Option<(u64, u64)> {
        let stat = statvfs(&self.folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(u64::from(stat.fragment_size()));
        let whole = bytes(u64::from(stat.blocks()));
        let size = (whole / SHARE_OF_DISK).min(RESERVE_BYTES);
        Some((size, bytes(u64::from(stat.blocks_available()))))
    }
}

/// Fills a private file with bytes that no file system can compress or leave out.
fn fill(path: &Path, size: u64) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left = size;
    while left > 0 {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let length = usize::try_from(left)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        file.write_all(&chunk[..length])?;
        left -= length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_reserve_takes_room_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("one.reserve");
        let mut reserve = Reserve {
            folder: folder.path().to_path_buf(),
            file: file.clone(),
            looked: None,
        };
        reserve.restore_in_time();
        let (size, _) = reserve.room().unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().len(), size);
        assert!(!reserve.give_up_if_short(), "there is room");
        assert!(file.exists());
        reserve.give_up();
        assert!(!file.exists());
        reserve.restore_in_time();
        assert!(!file.exists(), "not looked at before the time has come");
    }
}
