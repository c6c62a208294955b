//! Whether the files under the database's names are still those that were opened.
//!
//! SQLite goes on with a file that was removed or replaced: it writes into what nobody finds any more. So before a change
//! is acknowledged the names are compared with what was opened.
//!
//! Seen is another file under a name, none at all, and contents that another database or none is behind: each opening
//! writes a number into the head of the file, which no other database has and no older copy. Not seen is what is
//! overwritten behind the head; the hash of a row and the integrity check of the next opening find that.

use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::files::database_files;

/// The head of a database file: <https://www.sqlite.org/fileformat.html#the_database_header>.
const HEAD_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Both versions of the format: 2 in a database that is written through a log, 1 in a backup.
const FORMATS: std::ops::Range<usize> = 18..20;
const APPLICATION_ID: std::ops::Range<usize> = 68..72;

/// A number that tells one opening of a database from all others: it stands in the head as the application's id.
pub(crate) type OpeningId = i32;

/// A new number; never 0, which a database without one has.
pub(crate) fn new_opening_id() -> OpeningId {
    let random = RandomState::new().hash_one(std::process::id());
    let bytes = random.to_le_bytes();
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3] & 0x7F]).max(1)
}

/// Which file of the system is meant, whatever its name is.
type FileId = (u64, u64);

fn file_id(meta: &Metadata) -> FileId {
    (meta.dev(), meta.ino())
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
}

/// How the files differ from those that were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In one clause.
    pub(crate) what: String,
    /// Whether it is the database itself, not its log alone.
    pub(crate) is_database: bool,
    /// Whether what was opened can still be read in full.
    pub(crate) is_readable: bool,
}

impl FileGuard {
    /// Remembers the files of the database at `path`, which `db` has open with its log.
    pub(crate) fn of(path: &Path, db: &Connection, opened_as: OpeningId) -> io::Result<Self> {
        // SQLite keeps the log beside the file itself, not beside a link to it.
        let real = path.canonicalize()?;
        let database = File::open(&real)?;
        if read_head(&database)?.opening_id() != opened_as {
            // Folds the number into the file; a reader in another process may keep it in the log until later.
            db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(io::Error::other)?;
        }
        let head = read_head(&database)?;
        let mut files = vec![(path.to_path_buf(), file_id(&database.metadata()?))];
        for log in &database_files(&real)[1..] {
            // A file system without shared memory has no index of the log.
            if let Ok(meta) = log.metadata() {
                files.push((log.clone(), file_id(&meta)));
            }
        }
        Ok(Self {
            files,
            database,
            opened_as: [opened_as, head.opening_id()],
            formats: head.formats(),
        })
    }

    /// What is different; `None` while all is as it was opened.
    pub(crate) fn difference(&self) -> Option<Difference> {
        for (number, (path, id)) in self.files.iter().enumerate() {
            let what = match path.metadata() {
                Ok(meta) if file_id(&meta) == *id => continue,
                Ok(_) => format!(
                    "{} is another file than the one that was opened",
                    name(path)
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    format!("{} was removed or moved away", name(path))
                }
                Err(error) => format!("{} cannot be reached: {error}", name(path)),
            };
            return Some(Difference {
                what,
                is_database: number == 0,
                is_readable: true,
            });
        }
        let is_ours = read_head(&self.database).is_ok_and(|head| self.wrote(&head));
        (!is_ours).then(|| Difference {
            what: format!("{} was overwritten by another program", self.name()),
            is_database: true,
            is_readable: false,
        })
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
            path.metadata().is_ok_and(|meta| file_id(&meta) == *id)
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

    fn opening_id(&self) -> OpeningId {
        let id = &self.0[APPLICATION_ID];
        OpeningId::from_be_bytes([id[0], id[1], id[2], id[3]])
    }
}
