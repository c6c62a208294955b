//! What an error of Redis means to a caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::Error;

/// Whether the connection should be pinged at once, and replaced if it does not answer.
pub(super) fn needs_new_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Classifies an error by what the caller may do.
pub(crate) fn classify(error: &RedisError) -> Error {
    match (error.code(), error.kind()) {
        (Some("OOM"), _) => Error::Full,
        (Some("MISCONF" | "NOREPLICAS" | "NOAUTH" | "WRONGPASS" | "NOPERM"), _)
        | (_, ErrorKind::AuthenticationFailed)
        | (
            _,
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::NoPerm,
            ),
        ) => Error::Unavailable(message_of(error)),
        _ => {
            tracing::error!(%error, "Redis refused a command");
            Error::Defect
        }
    }
}

/// The message of redis-rs. Errors of Redis contain no passwords.
pub(super) fn message_of(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "Redis refuses the password".to_owned(),
        _ => error.to_string(),
    }
}
