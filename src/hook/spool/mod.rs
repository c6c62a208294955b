//! Events that a hook could not tell, kept in files of the data folder until the stack reads them.
//!
//! Hooks append to one file under its lock; a file that is full, or that the reader takes, gets a name of its own, in the
//! order of time. The reader removes a file once its events are acknowledged, so a crash in between tells them twice, which
//! has no further effect. A line that was torn by a crash is skipped, and the next one begins anew. Nothing is synced: a
//! process that dies loses nothing, and a machine that does may lose the last seconds.

mod active;
pub(crate) mod reader;
mod record;
mod unanswered;

use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};

use shim_proto::checkpoint::v1::ObservedEvent;
use shim_runtime::data_dir::make_private_dir;
use uuid::Uuid;

use active::Active;

/// The folder's name in the data folder.
pub(crate) const NAME: &str = "hook-spool";
/// A file of this size is full.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// All files; beyond it the oldest are dropped.
const MAX_SPOOL_BYTES: u64 = 16 << 20;
/// Ends the names of files that are complete.
const COMPLETE: &str = "events";

/// The spool of one data folder.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool of this data folder, which may not be there yet.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join(NAME),
        }
    }

    /// Keeps an event behind those that are there. Returns how many of the oldest were dropped to make room.
    ///
    /// # Errors
    /// If it cannot be written, or holds a secret in a name.
    pub(crate) fn append(&self, event: &ObservedEvent) -> Result<u64> {
        let line = record::line(event).map_err(Error::other)?;
        make_private_dir(&self.folder)?;
        let mut active = Active::open(&self.folder)?;
        let before = active.file.metadata()?.len();
        let fresh = with_fresh_line(&active, &line)?;
        if let Err(why) = active.file.write_all(&fresh) {
            // Half a line on a full disk is none.
            let _ = active.file.set_len(before);
            return Err(why);
        }
        if before + fresh.len() as u64 >= MAX_FILE_BYTES {
            active.complete(&self.new_name())?;
        }
        self.bound()
    }

    /// The complete files, the oldest first.
    fn complete_files(&self) -> Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|kind| kind == COMPLETE))
            .collect();
        files.sort();
        Ok(files)
    }

    fn new_name(&self) -> PathBuf {
        let id = Uuid::now_v7();
        self.folder.join(format!("{id}.{COMPLETE}"))
    }

    /// Drops the oldest files while all of them are too large. Returns how many events they held.
    fn bound(&self) -> Result<u64> {
        let files = self.complete_files()?;
        let size = |path: &PathBuf| path.symlink_metadata().map_or(0, |meta| meta.len());
        let mut all: u64 = files.iter().map(size).sum();
        let mut dropped = 0;
        // The one that is appended to has room for itself.
        for file in &files {
            if all + MAX_FILE_BYTES <= MAX_SPOOL_BYTES {
                break;
            }
            let bytes = size(file);
            let events = record::read_file(file).map_or(0, |read| read.events.len());
            // What is no file of a hook's cannot be removed so, and is no reason to lose the event that was kept.
            if std::fs::remove_file(file).is_ok() {
                all -= bytes;
                dropped += events as u64;
            }
        }
        Ok(dropped)
    }
}

/// The line, on a line of its own if the last one is torn.
fn with_fresh_line(active: &Active, line: &[u8]) -> Result<Vec<u8>> {
    let mut fresh = Vec::with_capacity(line.len() + 1);
    if active.is_torn()? {
        fresh.push(b'\n');
    }
    fresh.extend_from_slice(line);
    Ok(fresh)
}

#[cfg(test)]
mod tests;
