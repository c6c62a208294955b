//! What becomes of a database whose files were replaced under it: what it held is saved beside, and its log is kept away
//! from another file.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::backup::copy_to;
use crate::error::SqliteError;
use crate::files::{self, database_files};
use crate::guard::{Difference, FileGuard, LogFate};
use crate::inspect::{Integrity, check_integrity};
use crate::lock::{DatabaseLock, Record};
use crate::set_aside::RESCUED;

/// The files that a writer has open.
pub(crate) struct OpenedFiles {
    pub(crate) path: PathBuf,
    pub(crate) guard: Arc<FileGuard>,
    pub(crate) lock: Arc<DatabaseLock>,
}

impl OpenedFiles {
    /// Saves what the database held, leaves word for the next opening, and says it loudly. Answers how changes are refused.
    pub(crate) fn note_replaced(&self, db: &Connection, difference: &Difference) -> SqliteError {
        self.note_log(difference.log);
        let rescued = if difference.is_readable {
            self.rescue(db)
        } else {
            None
        };
        let database = self.path.display();
        let what = &difference.what;
        match rescued {
            Some(rescued) => {
                tracing::error!(%database, rescued = %rescued.display(), "THE DATABASE WAS REPLACED UNDER THE SERVICE: {what}; nothing is kept until that is mended; what it held is saved");
                let name = rescued.file_name().unwrap_or_default().to_string_lossy();
                SqliteError::Replaced(format!("{what}; what it held is in {name} beside it"))
            }
            None => {
                tracing::error!(%database, "THE DATABASE WAS REPLACED UNDER THE SERVICE: {what}; nothing is kept until that is mended; what it held could not be saved");
                SqliteError::Replaced(format!("{what}; what it held could not be saved"))
            }
        }
    }

    /// The files are those that were opened again.
    pub(crate) fn note_mended(&self) {
        self.note(false);
        tracing::warn!(database = %self.path.display(), "the database's files are those that were opened again; changes are kept");
    }

    /// Leaves word of what the next opening has to do with the log, should this process not come to it.
    pub(crate) fn note_log(&self, log: LogFate) {
        self.note(log != LogFate::Kept);
    }

    fn note(&self, was_replaced: bool) {
        self.lock.note(Record {
            was_opened: true,
            was_replaced,
        });
    }

    /// A copy of what the connection still reads. A folder that was removed with the file is made anew; one that was moved
    /// away is not, since it may come back.
    fn rescue(&self, db: &Connection) -> Option<PathBuf> {
        let folder = self.path.parent()?;
        if !folder.exists() && self.guard.is_nameless() {
            DirBuilder::new().mode(0o700).create(folder).ok()?;
        }
        let target = files::unused_name(&self.path, RESCUED);
        let partial = target.with_extension("partial");
        // Of a file that was cut SQLite reads zeros where there is nothing.
        let copied = copy_to(db, &partial, &mut |_, _| ())
            .map_err(|error| error.to_string())
            .and_then(|()| match check_integrity(&partial) {
                Integrity::Intact => Ok(()),
                _ => Err("a part of it is gone".to_owned()),
            })
            .and_then(|()| std::fs::rename(&partial, &target).map_err(|error| error.to_string()));
        match copied {
            Ok(()) => Some(target),
            Err(error) => {
                let _ = std::fs::remove_file(&partial);
                tracing::error!(%error, "what the database held could not be saved");
                None
            }
        }
    }

    /// Closes the database without folding its log into a file that is not its own or not whole, and moves the log out of
    /// that file's way unless it is to be kept.
    pub(crate) fn close_replaced(&self, db: Connection, log: LogFate) {
        let kept = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if let Err(error) = kept {
            tracing::warn!(%error, "the database's log may be folded into another file");
        }
        if let Err((_, error)) = db.close() {
            tracing::warn!(%error, "the database did not close cleanly");
        }
        self.note_log(log);
        if log == LogFate::Kept {
            return;
        }
        let logs: Vec<PathBuf> = self.guard.own_logs().map(Path::to_path_buf).collect();
        match set_logs_aside(&self.path, &logs) {
            Ok(()) => self.note(false),
            Err(error) => {
                tracing::error!(%error, "the log of the replaced database is still beside another file");
            }
        }
    }
}

/// Renames the log of a database and its index, so that they are not taken for another one's.
pub(crate) fn set_logs_aside(path: &Path, logs: &[PathBuf]) -> io::Result<()> {
    let kept = database_files(&files::unused_name(path, "replaced"));
    for log in logs {
        let suffix = log
            .to_string_lossy()
            .rsplit_once('-')
            .map(|(_, suffix)| suffix.to_owned());
        let target = kept.iter().find(|name| {
            let name = name.to_string_lossy();
            suffix
                .as_ref()
                .is_some_and(|suffix| name.ends_with(&format!("-{suffix}")))
        });
        let Some(target) = target else { continue };
        match std::fs::rename(log, target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of the head of a log, in which the size of a page stands as a number of four bytes.
const LOG_HEAD_BYTES: u64 = 32;
const PAGE_SIZE_AT: u64 = 8;

/// The database that the log of an emptied file holds, as far as it goes: a copy, removed when it is dropped.
pub(crate) struct FromLog(PathBuf);

impl FromLog {
    /// A copy beside `path` of the emptied file `damaged` with its log; `None` if that file is not empty or has no log.
    pub(crate) fn of(damaged: &Path, path: &Path) -> io::Result<Option<Self>> {
        let [_, log, _] = database_files(damaged);
        let has_log = log.metadata().is_ok_and(|meta| meta.len() > LOG_HEAD_BYTES);
        if damaged.metadata()?.len() > 0 || !has_log {
            return Ok(None);
        }
        let copy = Self(files::unused_name(path, "from-log"));
        let [file, copied_log, _] = database_files(&copy.0);
        files::create_private(&copied_log)?;
        std::fs::copy(&log, &copied_log)?;
        let mut page_size = [0; 4];
        std::fs::File::open(&log)?.read_exact_at(&mut page_size, PAGE_SIZE_AT)?;
        files::create_private(&file)?;
        let database = std::fs::OpenOptions::new().write(true).open(&file)?;
        // With a page in the file SQLite reads the log for what belongs there.
        database.set_len(u32::from_be_bytes(page_size).min(65_536).into())?;
        let folded = Connection::open(&file)
            .and_then(|db| db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())));
        if let Err(error) = folded {
            tracing::debug!(%error, "the log of the emptied database does not hold all of it");
        }
        Ok(Some(copy))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for FromLog {
    fn drop(&mut self) {
        for file in database_files(&self.0) {
            let _ = std::fs::remove_file(file);
        }
    }
}
