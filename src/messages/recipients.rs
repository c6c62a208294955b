//! Finding the session or worker whose inbox an argument names.

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

/// The id of a worker. A whole id is taken without a look at the service.
pub(super) async fn worker_id(service: &mut Coordination, typed: &str) -> Result<String, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        return Ok(id.to_string());
    }
    Ok(find_worker(service, typed).await?.worker_id)
}
