//! Everything that can go wrong, told apart by what the caller may do, and its one translation to gRPC.

use std::time::Duration;

use shim_runtime::service_error::ServiceError;
use tonic::{Code, Status};

/// A failure of the checkpoint service.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No such session.
    #[error("there is no session {0}")]
    SessionNotFound(String),
    /// No such checkpoint.
    #[error("there is no checkpoint {0}")]
    CheckpointNotFound(String),
    /// No such restore.
    #[error("there is no restore {0}")]
    RestoreNotFound(String),
    /// The caller's epoch is behind (or ahead of) the session's.
    #[error("epoch {given} does not own session {session}: it is at epoch {current}")]
    StaleOwner {
        /// The session.
        session: String,
        /// The caller's epoch.
        given: u64,
        /// The session's epoch.
        current: u64,
    },
    /// A live owner holds the session.
    #[error("session {session} is held by {owner}")]
    SessionOwned {
        /// The session.
        session: String,
        /// Who holds it, in words.
        owner: String,
    },
    /// The session was ended.
    #[error("session {0} was ended")]
    SessionEnded(String),
    /// The session is not interrupted.
    #[error("session {0} is not interrupted")]
    NotInterrupted(String),
    /// Someone restored the session since the caller looked.
    #[error(
        "session {session} is at epoch {current}, not {expected}: it was restored since you looked"
    )]
    EpochChanged {
        /// The session.
        session: String,
        /// The epoch the caller saw.
        expected: u64,
        /// The session's epoch.
        current: u64,
    },
    /// A stored row does not match its hash.
    #[error("{0} is damaged and was not returned")]
    Damaged(String),
    /// Retention dropped the content.
    #[error("the content of checkpoint {0} was dropped by retention")]
    Thinned(String),
    /// The same request id came with another content.
    #[error("request_id: \"{0}\" was used for another request")]
    RequestIdReused(String),
    /// An archive cannot be taken in.
    #[error("the archive is refused: {0}")]
    ArchiveRefused(String),
    /// The disk has no room.
    #[error("the disk of the data folder is full; nothing was saved")]
    DiskFull,
    /// Another change of the same group broke the group's transaction.
    #[error("a change written together with this one failed; nothing was saved")]
    GroupLost,
    /// Too much is waiting to be written.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The database cannot be used now.
    #[error("the database cannot be used: {0}")]
    StoreUnavailable(String),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

impl Error {
    /// Whether the database is at fault, not the request.
    pub(crate) fn is_store_failure(&self) -> bool {
        matches!(
            self,
            Self::DiskFull | Self::StoreUnavailable(_) | Self::Damaged(_)
        )
    }

    fn status_parts(&self) -> (Code, &'static str, Option<&'static str>, Option<u64>) {
        use Code::{
            Aborted, DataLoss, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted,
            Unavailable,
        };
        match self {
            Self::SessionNotFound(_) => (
                NotFound,
                "SESSION_NOT_FOUND",
                Some("list them with ListSessions"),
                None,
            ),
            Self::CheckpointNotFound(_) => (
                NotFound,
                "CHECKPOINT_NOT_FOUND",
                Some("list them with ListCheckpoints"),
                None,
            ),
            Self::RestoreNotFound(_) => (
                NotFound,
                "RESTORE_NOT_FOUND",
                Some("use the restore_id of RestoreCheckpoint"),
                None,
            ),
            Self::StaleOwner { .. } => (
                FailedPrecondition,
                "STALE_OWNER",
                Some("another client restored the session; restore it again to own it"),
                None,
            ),
            Self::SessionOwned { .. } => (
                FailedPrecondition,
                "SESSION_OWNED",
                Some("close that client, or restore with take_over"),
                None,
            ),
            Self::SessionEnded(_) => (
                FailedPrecondition,
                "SESSION_ENDED",
                Some("restore or fork one of its checkpoints to go on"),
                None,
            ),
            Self::NotInterrupted(_) => (
                FailedPrecondition,
                "NOT_INTERRUPTED",
                Some("only interrupted sessions are dismissed"),
                None,
            ),
            Self::EpochChanged { .. } => (
                Aborted,
                "EPOCH_CHANGED",
                Some("look again with DetectRecovery"),
                None,
            ),
            Self::Damaged(_) => (
                DataLoss,
                "CHECKPOINT_DAMAGED",
                Some("use an older checkpoint of the session"),
                None,
            ),
            Self::Thinned(_) => (
                FailedPrecondition,
                "CHECKPOINT_THINNED",
                Some("use a newer checkpoint of the session"),
                None,
            ),
            Self::RequestIdReused(_) => (
                InvalidArgument,
                "REQUEST_ID_REUSED",
                Some("make a new id for every request"),
                None,
            ),
            Self::ArchiveRefused(_) => (InvalidArgument, "ARCHIVE_REFUSED", None, None),
            Self::DiskFull => (
                ResourceExhausted,
                "DISK_FULL",
                Some("free space, then save again"),
                Some(5_000),
            ),
            Self::GroupLost => (
                Unavailable,
                "GROUP_LOST",
                Some("send the same request again"),
                Some(50),
            ),
            Self::Overloaded => (
                ResourceExhausted,
                "OVERLOADED",
                Some("try again after the delay given"),
                Some(100),
            ),
            Self::StoreUnavailable(_) => (
                Unavailable,
                "STORE_UNAVAILABLE",
                Some("run `shim doctor`"),
                Some(1_000),
            ),
            Self::Stopping => (
                Unavailable,
                "STOPPING",
                Some("try again when it is back"),
                Some(1_000),
            ),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason, remedy, retry_ms) = error.status_parts();
        ServiceError {
            code,
            reason,
            message: error.to_string(),
            remedy: remedy.map(str::to_owned),
            retry_after: retry_ms.map(Duration::from_millis),
        }
        .into()
    }
}

impl From<rusqlite::Error> for Error {
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
            _ => Self::StoreUnavailable(error.to_string()),
        }
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be written.
    #[error(
        "the data folder {path} cannot be used: {source}; choose another with --data-dir or mend its permissions"
    )]
    DataDir {
        /// The folder.
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
    /// The gRPC server failed.
    #[error(transparent)]
    Serve(#[from] shim_runtime::server::ServeError),
}
