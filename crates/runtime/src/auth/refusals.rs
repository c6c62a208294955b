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
