//! Finding the session or worker whose inbox an argument names.

use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::reasons::{SESSION_NOT_FOUND, WORKER_NOT_FOUND};
use uuid::Uuid;

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::sessions;
use crate::workers::find::find as find_worker;

/// The id of a session. A whole id is taken without a look at the service.
pub(super) async fn session_id(config: &Config, typed: &str) -> Result<String, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        return Ok(id.to_string());
    }
    let mut service = connection::checkpoints(config).await?;
    Ok(sessions::find(&mut service, typed).await?.id)
}

/// Where a message for a session goes. What this stack's sessions do not have may be a worker that another stack on the
/// same Redis hosts.
///
/// # Errors
/// If it names nothing, or a session that was ended: nobody reads its messages.
pub(super) async fn session_recipient(
    config: &Config,
    coordination: &mut Coordination,
    typed: &str,
) -> Result<Recipient, CliError> {
    let endpoints = &config.runtime.endpoints;
    let knows_sessions = endpoints.coordination.is_none() || endpoints.checkpoint.is_some();
    if Uuid::try_parse(typed).is_ok() && !knows_sessions {
        return Ok(Recipient::SessionId(session_id(config, typed).await?));
    }
    let mut service = connection::checkpoints(config).await?;
    let unknown = match sessions::find_reader(&mut service, typed).await {
        Ok(session) => return Ok(Recipient::SessionId(session.id)),
        Err(unknown) if unknown.is_for(SESSION_NOT_FOUND) => unknown,
        Err(refused) => return Err(refused),
    };
    match find_worker(coordination, typed).await {
        Ok(worker) => Ok(Recipient::WorkerId(worker.worker_id)),
        Err(none) if none.is_for(WORKER_NOT_FOUND) => Err(unknown),
        Err(refused) => Err(refused),
    }
}

/// The id of a worker. A whole id is taken without a look at the service.
pub(super) async fn worker_id(service: &mut Coordination, typed: &str) -> Result<String, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        return Ok(id.to_string());
    }
    Ok(find_worker(service, typed).await?.worker_id)
}
