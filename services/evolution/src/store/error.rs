//! The failures of the embedded store, as this service tells them.

use shim_runtime::service_error::{ErrorCode, ServiceError};
use shim_sqlite::SqliteError;

/// A failure of the store, or a request id used twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub(crate) struct StoreError(#[from] pub(crate) SqliteError);

/// Code, reason, remedy and retry delay in milliseconds.
type Parts = (ErrorCode, &'static str, &'static str, Option<u64>);

impl StoreError {
    #[rustfmt::skip]
    fn parts(&self) -> Parts {
        use ErrorCode::{DataLoss, FailedPrecondition, InvalidArgument, ResourceExhausted, Unavailable};
        use shim_proto::reasons;
        match &self.0 {
            SqliteError::Damaged(_) => (DataLoss, reasons::EVOLUTION_DAMAGED, "propose it anew with EvolveCode", None),
            SqliteError::RequestIdReused(_) => (InvalidArgument, reasons::REQUEST_ID_REUSED, "make a new id for every request", None),
            SqliteError::DiskFull => (ResourceExhausted, reasons::DISK_FULL, "free space, then try again", Some(5_000)),
            SqliteError::GroupLost => (Unavailable, reasons::GROUP_LOST, "send the same request again", Some(50)),
            SqliteError::Overloaded => (ResourceExhausted, reasons::OVERLOADED, "try again after the delay given", Some(100)),
            SqliteError::Unavailable(_) => (Unavailable, reasons::STORE_UNAVAILABLE, "run `shim doctor`", Some(1_000)),
            SqliteError::Replaced(_) => (FailedPrecondition, reasons::DATABASE_REPLACED, "run `shim doctor` where the service runs: it names both ways on", None),
            SqliteError::Stopping => (Unavailable, reasons::STOPPING, "try again when it is back", Some(1_000)),
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        let (code, reason, remedy, retry_ms) = error.parts();
        Self {
            code,
            reason,
            message: error.to_string(),
            remedy: Some(remedy.to_owned()),
            retry_after: retry_ms.map(std::time::Duration::from_millis),
        }
    }
}
