//! Whether a database and its log are as long, and begin and end, as the index of the log says.
//!
//! A file that is cut in place is the same file still. SQLite trusts the index, so it writes on behind the cut, and the
//! next opening drops what follows the gap. All programs that have the database open keep the index, so a fold of the log
//! by another one is no fault. The formats: <https://www.sqlite.org/walformat.html>.
//!
//! Not seen are frames that are overwritten between the first and the last.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const LOG_HEAD_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;
/// The head of the index stands in it twice, then what was folded of the log.
const INDEX_HEAD_BYTES: usize = 48;
const INDEX_BYTES: usize = 132;
/// Another thread may commit or fold while it is looked.
const LOOKS: usize = 8;

/// What is wrong with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    DatabaseCut,
    LogCut {
        /// Whether all that was folded into the database is before the cut, so that what is left fits to the database.
        has_folded: bool,
    },
    LogOverwritten,
}

/// How long a database is by its head and by the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DatabaseLength {
    pub(crate) pages: u32,
    pub(crate) bytes: u64,
}

/// The log of an open database and its index. Kept open as long as any connection, for the locks on the index.
#[derive(Debug)]
pub(crate) struct Extent {
    log: File,
    index: File,
    seen: Mutex<Option<Seen>>,
}

/// What was found when all was well.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    log_head: [u8; LOG_HEAD_BYTES],
    frame: u32,
    frame_head: [u8; FRAME_HEAD_BYTES],
}

impl Extent {
    pub(crate) fn of(log: &Path, index: &Path) -> io::Result<Self> {
        Ok(Self {
            log: File::open(log)?,
            index: File::open(index)?,
            seen: Mutex::default(),
        })
    }

    /// What is wrong with the log or with the database; without its `length` with the log alone. It is wrong if it is so
    /// twice without a change of the index between.
    pub(crate) fn fault(&self, length: impl Fn() -> Option<DatabaseLength>) -> Option<Fault> {
        let seen = self.seen();
        let mut before = None;
        for _ in 0..LOOKS {
            let Some(now) = self.look(&length, seen.as_ref()) else {
                continue;
            };
            match now.fault(seen.as_ref()) {
                None => {
                    self.remember(&now);
                    return None;
                }
                Some(fault) if before.as_ref() == Some(&now) => return Some(fault),
                Some(_) => before = Some(now),
            }
        }
        None
    }

    fn seen(&self) -> Option<Seen> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, found: &Found) {
        if found.index.frames > 0 {
            let seen = Seen {
                log_head: found.log_head,
                frame: found.index.frames,
                frame_head: found.last_frame,
            };
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        }
    }

    /// `None` while the index is being changed.
    fn look(
        &self,
        length: impl Fn() -> Option<DatabaseLength>,
        seen: Option<&Seen>,
    ) -> Option<Found> {
        let index = Index::read(&self.index)?;
        let head_of = |frame: u32| {
            let at = index.log_bytes(frame.saturating_sub(1));
            read_or_zeros(&self.log, at)
        };
        let last_frame = head_of(index.frames);
        let seen_frame = seen.map(|seen| match seen.frame == index.frames {
            true => last_frame,
            false => head_of(seen.frame),
        });
        Some(Found {
            database: length(),
            log_bytes: self.log.metadata().ok()?.len(),
            log_head: read_or_zeros(&self.log, 0),
            last_frame,
            seen_frame,
            index,
        })
    }
}

fn read_or_zeros<const N: usize>(file: &File, at: u64) -> [u8; N] {
    let mut bytes = [0; N];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => bytes,
        Err(_) => [0; N],
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(number)
}

/// What the index says, in the byte order of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Index {
    head: [u8; INDEX_HEAD_BYTES],
    page_bytes: u64,
    /// Frames of the log that count.
    frames: u32,
    /// Pages of the database with them.
    pages: u32,
    /// Frames that are folded into the database, and up to which it was begun.
    folded: u32,
    folding: u32,
}

impl Index {
    fn read(file: &File) -> Option<Self> {
        let mut bytes = [0; INDEX_BYTES];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let mut head = [0; INDEX_HEAD_BYTES];
        head.copy_from_slice(&bytes[..INDEX_HEAD_BYTES]);
        let is_whole = head == bytes[INDEX_HEAD_BYTES..2 * INDEX_HEAD_BYTES];
        // 65,536 is written as 1.
        let page_bytes = match u16::from_ne_bytes([head[14], head[15]]) {
            1 => 65_536,
            bytes => u64::from(bytes),
        };
        is_whole.then_some(Self {
            head,
            page_bytes,
            frames: number(&head, 16),
            pages: number(&head, 20),
            folded: number(&bytes, 96),
            folding: number(&bytes, 128),
        })
    }

    /// As they stand in the log.
    fn salts(&self) -> &[u8] {
        &self.head[32..40]
    }

    /// The checksum of the last frame, as it stands in the log.
    fn checksum(&self) -> [u8; 8] {
        let [a, b] = [24, 28].map(|at| number(&self.head, at).to_be_bytes());
        [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
    }

    /// How long a log with so many frames is.
    fn log_bytes(&self, frames: u32) -> u64 {
        LOG_HEAD_BYTES as u64 + u64::from(frames) * (FRAME_HEAD_BYTES as u64 + self.page_bytes)
    }
}

/// What one look finds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    index: Index,
    database: Option<DatabaseLength>,
    log_bytes: u64,
    log_head: [u8; LOG_HEAD_BYTES],
    last_frame: [u8; FRAME_HEAD_BYTES],
    /// What stands where the last frame of an earlier look was.
    seen_frame: Option<[u8; FRAME_HEAD_BYTES]>,
}

impl Found {
    fn fault(&self, seen: Option<&Seen>) -> Option<Fault> {
        let index = &self.index;
        // While the log is folded the file may be shorter than its head says.
        let is_folding = index.folding > index.folded;
        let is_cut = |database: DatabaseLength| {
            let pages = database.pages.min(index.pages);
            database.bytes < u64::from(pages) * index.page_bytes
        };
        if !is_folding && self.database.is_some_and(is_cut) {
            return Some(Fault::DatabaseCut);
        }
        if index.frames == 0 {
            return None;
        }
        // Of this log, which a restart from its beginning gives other salts.
        let seen = seen.filter(|seen| seen.log_head[16..24] == *index.salts());
        let has_head = self.log_head[16..24] == *index.salts()
            && seen.is_none_or(|seen| seen.log_head == self.log_head);
        if self.log_bytes >= LOG_HEAD_BYTES as u64 && !has_head {
            return Some(Fault::LogOverwritten);
        }
        let is_long = self.log_bytes >= index.log_bytes(index.frames);
        let has_last =
            self.last_frame[8..16] == *index.salts() && self.last_frame[16..24] == index.checksum();
        // A cut that was written on behind since leaves a gap where the last frame was.
        let has_seen = seen.is_none_or(|seen| self.seen_frame == Some(seen.frame_head));
        let has_folded = self.log_bytes >= index.log_bytes(index.folding.max(index.folded));
        (!(is_long && has_last && has_seen)).then_some(Fault::LogCut {
            has_folded: has_folded && !is_long,
        })
    }
}
