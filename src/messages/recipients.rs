//! Finding the session or worker whose inbox an argument names.

use shim_proto::coordination::v1::GetWorkerRequest;
use shim_proto::coordination::v1::send_message_request::Recipient;
use uuid::Uuid;

use crate::config::Config;
use crate::connection::{self, Coordination, call, request};
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

/// Where a message for a session goes. A whole id that this stack's sessions do not have may be that of a worker that
/// another stack on the same Redis hosts.
pub(super) async fn session_recipient(
    config: &Config,
    coordination: &mut Coordination,
    typed: &str,
) -> Result<Recipient, CliError> {
    let endpoints = &config.runtime.endpoints;
    let knows_sessions = endpoints.coordination.is_none() || endpoints.checkpoint.is_some();
    if Uuid::try_parse(typed).is_err() || !knows_sessions {
        return Ok(Recipient::SessionId(session_id(config, typed).await?));
    }
    let mut service = connection::checkpoints(config).await?;
    let Err(unknown) = sessions::find(&mut service, typed).await else {
        return Ok(Recipient::SessionId(typed.to_lowercase()));
    };
    let asked = GetWorkerRequest {
        worker_id: typed.to_lowercase(),
    };
    match call(coordination.registry.get_worker(request(asked))).await {
        Ok(_) => Ok(Recipient::WorkerId(typed.to_lowercase())),
        Err(_) => Err(unknown),
    }
}

/// The id of a worker. A whole id is taken without a look at the service.
pub(super) async fn worker_id(service: &mut Coordination, typed: &str) -> Result<String, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        return Ok(id.to_string());
    }
    Ok(find_worker(service, typed).await?.worker_id)
}
