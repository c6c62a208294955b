//! What can go wrong with the embedded store, classified by what the caller may do.

use std::path::Path;

/// A failure of a job or a query that is not the request's fault, or a request id used twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqliteError {
    /// A stored row or page is not what was written.
    #[error("{0} is damaged and was not returned")]
    Damaged(String),
    /// The same request id came with another content.
    #[error("request_id: \"{0}\" was used for another request")]
    RequestIdReused(String),
    /// The disk has no room.
    #[error("the disk of the data folder is full; nothing was saved")]
    DiskFull,
    /// Another job of the same group broke the group's transaction.
    #[error("a change written together with this one failed; nothing was saved")]
    GroupLost,
    /// The writer's queue is full, or another process holds the database.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The database cannot be used now.
    #[error("the database cannot be used: {0}")]
    Unavailable(String),
    /// The files under the database's names are not those that were opened.
    #[error("{0}; nothing is kept until that is mended")]
    Replaced(String),
    /// The store is being closed.
    #[error("the service is stopping")]
    Stopping,
}

impl SqliteError {
    /// Whether the database is at fault, not the request.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::DiskFull | Self::Unavailable(_) | Self::Damaged(_) | Self::Replaced(_)
        )
    }
}

/// The error type of a service's jobs and queries.
pub trait JobError: From<SqliteError> + Send + 'static {
    /// The store's error, if this error is one.
    fn store_error(&self) -> Option<&SqliteError>;
}

impl JobError for SqliteError {
    fn store_error(&self) -> Option<&SqliteError> {
        Some(self)
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType,
        };
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Overloaded,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged("a page of the database".into())
            }
            // A value of the wrong type was not written by this service.
            None if matches!(
                error,
                InvalidColumnType(..) | FromSqlConversionFailure(..) | IntegralValueOutOfRange(..)
            ) =>
            {
                Self::Damaged("a row of the database".into())
            }
            _ => Self::Unavailable(said(&error)),
        }
    }
}

/// SQLite says "disk I/O error" alike for a disk that fails and for one that takes nothing more (a quota, a limit of a
/// file's size).
fn said(error: &rusqlite::Error) -> String {
    use rusqlite::ffi;
    let extended = error.sqlite_error().map(|error| error.extended_code);
    match extended {
        Some(
            ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMOPEN,
        ) => format!(
            "{error}: a file of the data folder cannot be written; its disk may be full, over a quota, or failing"
        ),
        _ => error.to_string(),
    }
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be written.
    #[error(
        "the data folder {path} cannot be used: {source}; choose another with --data-dir or mend its permissions"
    )]
    DataDir {
        /// The folder or file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("the database {path} cannot be opened: {reason}")]
    Database {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Another process has the database.
    #[error(
        "another SHIM process uses the data folder {0}; stop it with `shim down` or choose another --data-dir"
    )]
    InUse(String),
}

impl OpenError {
    /// The system refused a file or folder.
    #[must_use]
    pub fn data_dir(path: &Path, source: std::io::Error) -> Self {
        Self::DataDir {
            path: path.display().to_string(),
            source,
        }
    }

    /// The database at `path` cannot be opened for this reason.
    #[must_use]
    pub fn database(path: &Path, reason: &impl ToString) -> Self {
        Self::Database {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}
