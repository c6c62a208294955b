//! The one table of a service's errors on the wire.
//!
//! [`error_table!`](crate::error_table!) names for every variant of an error enum its gRPC code, its stable reason, what the
//! caller can do, and when to try again. The match it makes has no wildcard arm: a variant without a row does not compile.

use std::fmt::Display;
use std::time::Duration;

use crate::service_error::{ErrorCode, ServiceError};

pub use shim_proto::reasons;

/// A row of a table that is being translated; [`error_table!`](crate::error_table!) makes it.
#[derive(Debug)]
pub struct ErrorRow {
    /// The gRPC code.
    pub code: ErrorCode,
    /// One of [`reasons`].
    pub reason: &'static str,
    /// What the caller can do: at most one sentence.
    pub remedy: &'static [&'static str],
    /// When to try again, in milliseconds: at most one number.
    pub retry_ms: &'static [u64],
}

impl ErrorRow {
    /// The failure on the wire, with the error's own message.
    #[must_use]
    pub fn describe(self, error: &impl Display) -> ServiceError {
        let remedy = self.remedy.first();
        ServiceError {
            code: self.code,
            reason: self.reason,
            message: error.to_string(),
            remedy: remedy.map(|remedy| (*remedy).to_owned()),
            retry_after: self.retry_ms.first().copied().map(Duration::from_millis),
        }
    }
}

/// Translates an error enum to [`ServiceError`] and to a gRPC status. A row is
/// `Variant | Variant => Code REASON, "remedy", retry MILLISECONDS;` where the remedy and the delay may be left out.
/// Variants listed as `transparent` hold the error of another table, which is translated by that table.
///
/// ```
/// # use shim_runtime::error_table;
/// # use shim_runtime::service_error::ServiceError;
/// #[derive(Debug, thiserror::Error)]
/// enum SaveError {
///     #[error("the disk is full")]
///     DiskFull,
///     #[error("there is no session {0}")]
///     NotFound(String),
/// }
///
/// error_table! { SaveError,
///     DiskFull => ResourceExhausted DISK_FULL, "free space, then save again", retry 5_000;
///     NotFound => NotFound SESSION_NOT_FOUND;
/// }
///
/// assert_eq!(ServiceError::from(SaveError::DiskFull).reason, "DISK_FULL");
/// ```
#[macro_export]
macro_rules! error_table {
    (
        $error:ident $((transparent: $($inner:ident),+))?,
        $($($variant:ident)|+ => $code:ident $reason:ident
            $(, $remedy:literal)? $(, retry $retry_ms:literal)?;)+
    ) => {
        impl From<$error> for $crate::service_error::ServiceError {
            fn from(error: $error) -> Self {
                let row = match &error {
                    $($($error::$inner(inner) => return inner.clone().into(),)+)?
                    $($($error::$variant { .. })|+ => $crate::error_table::ErrorRow {
                        code: $crate::service_error::ErrorCode::$code,
                        reason: $crate::error_table::reasons::$reason,
                        remedy: &[$($remedy)?],
                        retry_ms: &[$($retry_ms)?],
                    },)+
                };
                row.describe(&error)
            }
        }

        impl From<$error> for $crate::service_error::Status {
            fn from(error: $error) -> Self {
                $crate::service_error::ServiceError::from(error).into()
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_error::Status;

    #[derive(Debug, Clone, thiserror::Error)]
    enum Inner {
        #[error("the disk is full")]
        DiskFull,
    }

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error(transparent)]
        Inner(Inner),
        #[error("there is no {name}")]
        NotFound { name: String },
        #[error("not now")]
        Stopping,
    }

    error_table! { Inner,
        DiskFull => ResourceExhausted DISK_FULL, "free space", retry 5_000;
    }

    error_table! { Outer (transparent: Inner),
        NotFound => NotFound TASK_NOT_FOUND, "list them";
        Stopping => Unavailable STOPPING;
    }

    fn described(error: Outer) -> (ErrorCode, &'static str, String, Option<String>, Option<u64>) {
        let error = ServiceError::from(error);
        let retry_ms = error
            .retry_after
            .and_then(|t| u64::try_from(t.as_millis()).ok());
        (
            error.code,
            error.reason,
            error.message,
            error.remedy,
            retry_ms,
        )
    }

    #[test]
    fn a_row_gives_code_reason_remedy_and_delay() {
        let name = "session".to_owned();
        assert_eq!(
            described(Outer::NotFound { name }),
            (
                ErrorCode::NotFound,
                "TASK_NOT_FOUND",
                "there is no session".to_owned(),
                Some("list them".to_owned()),
                None
            )
        );
        let stopping = described(Outer::Stopping);
        assert_eq!(
            (stopping.1, stopping.3, stopping.4),
            ("STOPPING", None, None)
        );
    }

    #[test]
    fn a_transparent_variant_is_translated_by_its_own_table() {
        let (code, reason, message, _, retry_ms) = described(Outer::Inner(Inner::DiskFull));
        assert_eq!((code, reason), (ErrorCode::ResourceExhausted, "DISK_FULL"));
        assert_eq!(
            (message.as_str(), retry_ms),
            ("the disk is full", Some(5_000))
        );
        let status = Status::from(Outer::Stopping);
        assert_eq!(status.code(), ErrorCode::Unavailable);
    }
}
