//! Whether the files under the database's names are still those that were opened.
//!
//! SQLite goes on with a file that was removed or replaced: it writes into what nobody finds any more. So before a change
//! is acknowledged the names are compared with what was opened.
//!
//! Seen is another file under a name, none at all, and contents that another database or none is behind: each opening
//! writes a number into the head of the file, which no other database has and no older copy. Seen is also what is cut in
//! place, and another log in place of the own one. Not seen is what is overwritten within; the hash of a row, the checksum
//! of a frame and the integrity check of the next opening find that.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use rusqlite::Connection;

use crate::extent::{DatabaseLength, Extent, Fault};
use crate::files::database_files;
use crate::stamp::{FileId, Stamp};

/// The head of a database file: <https://www.sqlite.org/fileformat.html#the_database_header>.
const HEAD_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Both versions of the format: 2 in a database that is written through a log, 1 in a backup.
const FORMATS: std::ops::Range<usize> = 18..20;
const PAGES: std::ops::Range<usize> = 28..32;
const APPLICATION_ID: std::ops::Range<usize> = 68..72;

/// A number that tells one opening of a database from all others: it stands in the head as the application's id.
pub(crate) type OpeningId = i32;

/// A new number; never 0, which a database without one has.
pub(crate) fn new_opening_id() -> OpeningId {
    let random = RandomState::new().hash_one(std::process::id());
    let bytes = random.to_le_bytes();
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3] & 0x7F]).max(1)
}

/// The database, its log and the index of that.
const FILES: usize = 3;

/// The stamps of the files when all was well.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stamps: [Option<Stamp>; FILES],
    /// Whether the database, and all of them, had been so for long enough.
    is_database_settled: bool,
    are_settled: bool,
}

/// The files of an open database.
#[derive(Debug)]
pub(crate) struct FileGuard {
    files: Vec<(PathBuf, FileId)>,
    /// Kept open as long as any connection: closing a file drops the locks that SQLite has on it in this process.
    database: File,
    /// The number of this opening, and that of the one before as long as the file still has it.
    opened_as: [OpeningId; 2],
    formats: [u8; 2],
    /// Unset on a file system without shared memory.
    extent: Option<Extent>,
    /// What was cut is not whole again when it has its length again.
    lasting: OnceLock<Difference>,
    seen: Mutex<Option<Seen>>,
}

/// What becomes of the log when a database with a difference is closed, or opened after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFate {
    /// The connection has all of it and folds it into the database; after a crash it is moved out of the way.
    Folded,
    /// It stays beside the database, to which it fits.
    Kept,
    /// It is moved out of the database's way.
    SetAside,
}

/// How the files differ from those that were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In one clause.
    pub(crate) what: String,
    pub(crate) log: LogFate,
    /// Whether what was opened may still be read in full.
    pub(crate) is_readable: bool,
}

impl FileGuard {
    /// Remembers the files of the database at `path`, which `db` has open with its log.
    pub(crate) fn of(path: &Path, db: &Connection) -> io::Result<Self> {
        // SQLite keeps the log beside the file itself, not beside a link to it.
        let real = path.canonicalize()?;
        let database = File::open(&real)?;
        let opened_as: OpeningId = db
            .query_row("PRAGMA application_id", [], |row| row.get(0))
            .map_err(io::Error::other)?;
        if read_head(&database)?.opening_id() != opened_as {
            // Folds the number into the file; a reader in another process or a full disk may keep it in the log until later.
            let folded = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = folded {
                tracing::debug!(%error, "the log was not folded into the database");
            }
        }
        let head = read_head(&database)?;
        let [_, log, index] = database_files(&real);
        let extent = Extent::of(&log, &index).ok();
        let mut files = vec![(path.to_path_buf(), Stamp::of(&database.metadata()?).id)];
        // A file system without shared memory has no index of the log.
        for file in [log, index] {
            if let Ok(meta) = file.metadata() {
                files.push((file, Stamp::of(&meta).id));
            }
        }
        Ok(Self {
            files,
            database,
            opened_as: [opened_as, head.opening_id()],
            formats: head.formats(),
            extent,
            lasting: OnceLock::new(),
            seen: Mutex::default(),
        })
    }

    /// What is different; `None` while all is as it was opened.
    pub(crate) fn difference(&self) -> Option<Difference> {
        self.look(|seen| seen.are_settled)
    }

    /// The same with a short look, for a change that a whole look follows before it is acknowledged: what was changed within
    /// the last milliseconds, and left as long as it was, is seen then.
    pub(crate) fn difference_before_change(&self) -> Option<Difference> {
        self.look(|_| true)
    }

    /// Looks into the files as far as their stamps do not say that they are as they were. `is_enough` says whether those of
    /// all files do, if they are the same.
    fn look(&self, is_enough: impl Fn(&Seen) -> bool) -> Option<Difference> {
        let stamps = match self.under_names() {
            Ok(stamps) => stamps,
            Err(difference) => return Some(difference),
        };
        if let Some(lasting) = self.lasting.get() {
            return Some(lasting.clone());
        }
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_some_and(|seen| seen.stamps == stamps && is_enough(&seen)) {
            return None;
        }
        let now = SystemTime::now();
        let is_same_database =
            seen.is_some_and(|seen| seen.is_database_settled && seen.stamps[0] == stamps[0]);
        let difference = if is_same_database {
            self.in_extent(None)
        } else {
            self.in_head()
                .or_else(|| self.in_extent(Some(&self.database)))
        };
        if difference.is_none() {
            let is_settled = |stamp: &Option<Stamp>| stamp.is_none_or(|it| it.is_settled(now));
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen {
                stamps,
                is_database_settled: is_settled(&stamps[0]),
                are_settled: stamps.iter().all(is_settled),
            });
        }
        difference
    }

    fn under_names(&self) -> Result<[Option<Stamp>; FILES], Difference> {
        let mut stamps = [None; FILES];
        for (number, (path, id)) in self.files.iter().enumerate() {
            let found = path.metadata().map(|meta| Stamp::of(&meta));
            let what = match found {
                Ok(stamp) if stamp.id == *id => {
                    if let Some(place) = stamps.get_mut(number) {
                        *place = Some(stamp);
                    }
                    continue;
                }
                Ok(_) => format!(
                    "{} is another file than the one that was opened",
                    name(path)
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    format!("{} was removed or moved away", name(path))
                }
                Err(error) => format!("{} cannot be reached: {error}", name(path)),
            };
            let is_log_whole = number > 0 && self.lasting.get().is_none();
            return Err(Difference {
                what,
                log: if is_log_whole {
                    LogFate::Folded
                } else {
                    LogFate::SetAside
                },
                is_readable: true,
            });
        }
        Ok(stamps)
    }

    fn in_head(&self) -> Option<Difference> {
        let is_ours = read_head(&self.database).is_ok_and(|head| self.wrote(&head));
        (!is_ours).then(|| Difference {
            what: format!("{} was overwritten by another program", self.name()),
            log: LogFate::SetAside,
            is_readable: false,
        })
    }

    /// `database` is the one that may have been cut.
    fn in_extent(&self, database: Option<&File>) -> Option<Difference> {
        let length = || {
            let database = database?;
            let pages = read_head(database).map_or(0, |head| head.pages());
            let bytes = database.metadata().map_or(0, |meta| meta.len());
            Some(DatabaseLength { pages, bytes })
        };
        let fault = self.extent.as_ref()?.fault(length)?;
        let (database, log) = (self.name(), format!("{}-wal", self.name()));
        let (what, log) = match fault {
            Fault::DatabaseCut => (format!("{database} was cut short"), LogFate::Kept),
            Fault::LogCut { has_folded: true } => (format!("{log} was cut short"), LogFate::Kept),
            Fault::LogCut { has_folded: false } => {
                (format!("{log} was cut short"), LogFate::SetAside)
            }
            Fault::LogOverwritten => (format!("{log} was overwritten"), LogFate::SetAside),
        };
        let difference = Difference {
            what: format!("{what} by another program"),
            log,
            // From another log SQLite would read other pages than it wrote, and not know it.
            is_readable: fault != Fault::LogOverwritten,
        };
        Some(self.lasting.get_or_init(|| difference).clone())
    }

    fn wrote(&self, head: &Head) -> bool {
        head.0.starts_with(MAGIC)
            && head.formats() == self.formats
            && self.opened_as.contains(&head.opening_id())
    }

    fn name(&self) -> String {
        self.files
            .first()
            .map_or_else(String::new, |(path, _)| name(path))
    }

    /// Whether the database has no name left in any folder: what was opened ends with this process.
    pub(crate) fn is_nameless(&self) -> bool {
        self.database.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// The log and its index, as far as they are still those of this database.
    pub(crate) fn own_logs(&self) -> impl Iterator<Item = &Path> {
        let is_own = |(path, id): &&(PathBuf, FileId)| {
            path.metadata().is_ok_and(|meta| Stamp::of(&meta).id == *id)
        };
        self.files
            .iter()
            .skip(1)
            .filter(is_own)
            .map(|(path, _)| path.as_path())
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The first bytes of a database file.
struct Head([u8; HEAD_BYTES]);

fn read_head(file: &File) -> io::Result<Head> {
    let mut bytes = [0; HEAD_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Head(bytes))
}

impl Head {
    fn formats(&self) -> [u8; 2] {
        [self.0[FORMATS.start], self.0[FORMATS.start + 1]]
    }

    /// The pages that the file has.
    fn pages(&self) -> u32 {
        let pages = &self.0[PAGES];
        u32::from_be_bytes([pages[0], pages[1], pages[2], pages[3]])
    }

    fn opening_id(&self) -> OpeningId {
        let id = &self.0[APPLICATION_ID];
        OpeningId::from_be_bytes([id[0], id[1], id[2], id[3]])
    }
}
