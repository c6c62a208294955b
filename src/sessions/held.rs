//! The refusal of what would take a session from a living client, with the command that does it all the same.

use shim_proto::checkpoint::v1::Session;
use shim_proto::reasons::SESSION_OWNED;
use shim_runtime::service_error::ServiceError;
use tonic::{Code, Status};

use super::show::owner;
use crate::error::CliError;

/// Why a session with a living client is left alone; `command` takes it.
pub(super) fn held(session: &Session, command: &str) -> CliError {
    let refusal = ServiceError {
        code: Code::FailedPrecondition,
        reason: SESSION_OWNED,
        message: format!(
            "session {} is held by {}",
            session.id,
            owner(session.client.as_ref())
        ),
        remedy: None,
        retry_after: None,
    };
    CliError::from(Status::from(refusal)).hint(format!(
        "close that client first, or take the session from it: `{command}`"
    ))
}
