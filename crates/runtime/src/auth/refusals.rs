//! The refusals of callers, in the words of the contract.

use shim_proto::reasons;
use tonic::Code;

use super::roles::Role;
use crate::service_error::ServiceError;

pub(super) fn token_refused() -> ServiceError {
    ServiceError {
        code: Code::Unauthenticated,
        reason: reasons::TOKEN_REFUSED,
        message: "the call shows no valid bearer token or certificate".into(),
        remedy: Some(
            "send the header `authorization: Bearer TOKEN` with a token of the server".into(),
        ),
        retry_after: None,
    }
}

/// Where the token of the data folder is asked for. The folder itself is nobody's business.
pub(super) fn local_token_refused() -> ServiceError {
    ServiceError {
        remedy: Some(
            "send the header `authorization: Bearer TOKEN` with what the file `token` of the server's data folder holds, which \
             `shim status` names; from another machine only tokens of auth.token_file count"
                .into(),
        ),
        ..token_refused()
    }
}

/// A token where none is known.
pub(super) fn token_unknown() -> ServiceError {
    ServiceError {
        message: "the call shows a token, and the server knows none to compare it with".into(),
        remedy: Some(
            "call without a token, as a client with auth.open does, or start the server with the auth.token_file it is from"
                .into(),
        ),
        ..token_refused()
    }
}

pub(super) fn role_refused(what: &str, needed: Role, role: Role) -> ServiceError {
    ServiceError {
        code: Code::PermissionDenied,
        reason: reasons::ROLE_REFUSED,
        message: format!("{what} needs the role {needed}, and the caller has {role}"),
        remedy: Some(format!("call with a token that has role={needed}")),
        retry_after: None,
    }
}

pub(super) fn token_expired() -> ServiceError {
    ServiceError {
        code: Code::Unauthenticated,
        reason: reasons::TOKEN_EXPIRED,
        message: "the token was valid until a time that has passed".into(),
        remedy: Some("ask whoever runs the server for a new token".into()),
        retry_after: None,
    }
}

pub(super) fn token_removed() -> ServiceError {
    ServiceError {
        code: Code::Unauthenticated,
        reason: reasons::TOKEN_REFUSED,
        message: "the token that the call began with counts no more".into(),
        remedy: Some("call again with a token of the server".into()),
        retry_after: None,
    }
}
