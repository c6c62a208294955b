//! The service's failures, classified by what the caller may do, and their one translation to gRPC.

use std::time::Duration;

use shim_proto::reasons;
use shim_runtime::service_error::ServiceError;
use shim_sqlite::{JobError, OpenError, SqliteError};
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
        /// The owner, in words.
        owner: String,
    },
    /// The session was ended.
    #[error("session {0} was ended")]
    SessionEnded(String),
    /// The session is not interrupted.
    #[error("session {0} is not interrupted")]
    NotInterrupted(String),
    /// Another client restored the session since the caller looked.
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
    /// Retention dropped the content.
    #[error("the content of checkpoint {0} was dropped by retention")]
    Thinned(String),
    /// An archive cannot be taken in.
    #[error("the archive is refused: {0}")]
    ArchiveRefused(String),
    /// The session's head moved between the reading and the writing of this change.
    #[error("session {0} is being saved too often at once")]
    HeadMoved(String),
    /// The embedded store failed, or refused a request id used twice.
    #[error(transparent)]
    Store(#[from] SqliteError),
}

/// Code, reason, remedy and retry delay in milliseconds.
type StatusParts = (Code, &'static str, Option<&'static str>, Option<u64>);

impl Error {
    /// A row of this name does not match its hash.
    pub(crate) fn damaged(what: String) -> Self {
        Self::Store(SqliteError::Damaged(what))
    }

    /// Whether the session has no checkpoint that can be read: none was saved, or all are damaged.
    pub(crate) fn is_nothing_readable(&self) -> bool {
        matches!(
            self,
            Self::CheckpointNotFound(_) | Self::Store(SqliteError::Damaged(_))
        )
    }

    #[rustfmt::skip]
    fn status_parts(&self) -> StatusParts {
        use Code::{Aborted, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted};
        match self {
            Self::SessionNotFound(_) => (NotFound, reasons::SESSION_NOT_FOUND, Some("list them with ListSessions"), None),
            Self::CheckpointNotFound(_) => (NotFound, reasons::CHECKPOINT_NOT_FOUND, Some("list them with ListCheckpoints"), None),
            Self::RestoreNotFound(_) => (NotFound, reasons::RESTORE_NOT_FOUND, Some("use the restore_id of RestoreCheckpoint"), None),
            Self::StaleOwner { .. } => (FailedPrecondition, reasons::STALE_OWNER, Some("another client restored the session; restore it again to own it"), None),
            Self::SessionOwned { .. } => (FailedPrecondition, reasons::SESSION_OWNED, Some("end what holds it, or restore with take_over"), None),
            Self::SessionEnded(_) => (FailedPrecondition, reasons::SESSION_ENDED, Some("restore or fork one of its checkpoints to go on"), None),
            Self::NotInterrupted(_) => (FailedPrecondition, reasons::NOT_INTERRUPTED, Some("only interrupted sessions are dismissed"), None),
            Self::EpochChanged { .. } => (Aborted, reasons::EPOCH_CHANGED, Some("look again with DetectRecovery"), None),
            Self::Thinned(_) => (FailedPrecondition, reasons::CHECKPOINT_THINNED, Some("use a newer checkpoint of the session"), None),
            Self::ArchiveRefused(_) => (InvalidArgument, reasons::ARCHIVE_REFUSED, None, None),
            Self::HeadMoved(_) => (ResourceExhausted, reasons::OVERLOADED, Some("try again after the delay given"), Some(100)),
            Self::Store(error) => store_status_parts(error),
        }
    }
}

#[rustfmt::skip]
fn store_status_parts(error: &SqliteError) -> StatusParts {
    use Code::{DataLoss, FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable};
    match error {
        SqliteError::Damaged(_) => (DataLoss, reasons::CHECKPOINT_DAMAGED, Some("use an older checkpoint of the session"), None),
        SqliteError::RequestIdReused(_) => (InvalidArgument, reasons::REQUEST_ID_REUSED, Some("make a new id for every request"), None),
        SqliteError::DiskFull => (ResourceExhausted, reasons::DISK_FULL, Some("free space, then save again"), Some(5_000)),
        SqliteError::GroupLost => (Unavailable, reasons::GROUP_LOST, Some("send the same request again"), Some(50)),
        SqliteError::Overloaded => (ResourceExhausted, reasons::OVERLOADED, Some("try again after the delay given"), Some(100)),
        SqliteError::Unavailable(_) => (Unavailable, reasons::STORE_UNAVAILABLE, Some("run `shim doctor`"), Some(1_000)),
        SqliteError::Replaced(_) => (FailedPrecondition, reasons::DATABASE_REPLACED, Some("run `shim doctor` where the service runs: it names both ways on"), None),
        SqliteError::Stopping => (Unavailable, reasons::STOPPING, Some("try again when it is back"), Some(1_000)),
    }
}

impl JobError for Error {
    fn store_error(&self) -> Option<&SqliteError> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
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

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder or the database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The gRPC server failed.
    #[error(transparent)]
    Serve(#[from] shim_runtime::server::ServeError),
}
