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

/// What a server refuses a client for.
pub(super) enum Refusal {
    /// It wants a password, and none was shown.
    NoPassword,
    /// It takes another user or password.
    WrongPassword,
    /// Anything else.
    Other,
}

/// Why a server refused.
pub(super) fn refusal_of(error: &RedisError) -> Refusal {
    match (error.code(), error.kind()) {
        (Some("NOAUTH"), _) => Refusal::NoPassword,
        (Some("WRONGPASS"), _) | (_, ErrorKind::AuthenticationFailed) => Refusal::WrongPassword,
        _ => Refusal::Other,
    }
}

/// The message of redis-rs. Errors of Redis contain no passwords.
pub(super) fn message_of(error: &RedisError) -> String {
    match (error.kind(), refusal_of(error)) {
        // The detail names each Sentinel and what it said.
        (ErrorKind::MasterNameNotFoundBySentinel, _) => error
            .detail()
            .map_or_else(|| error.to_string(), str::to_owned),
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            "Redis is loading its data".to_owned()
        }
        (_, Refusal::NoPassword) => "Redis wants a password: give it in redis_url".to_owned(),
        (_, Refusal::WrongPassword) => "Redis refuses the password".to_owned(),
        (_, Refusal::Other) => error.to_string(),
    }
}
