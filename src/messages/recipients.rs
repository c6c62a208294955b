//! From what a person types to the id of a session or a worker with an inbox.

use uuid::Uuid;

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::sessions;
use crate::workers::find::find as find_worker;

/// The id of a session, which need not be known here if it is whole.
pub(super) async fn session_id(config: &Config, typed: &str) -> Result<String, CliError> {
    if Uuid::try_parse(typed).is_ok() {
        return Ok(typed.to_lowercase());
    }
    let mut service = connection::checkpoints(config).await?;
    Ok(sessions::find(&mut service, typed).await?.id)
}

/// The id of a worker, which need not live if it is whole.
pub(super) async fn worker_id(service: &mut Coordination, typed: &str) -> Result<String, CliError> {
    if Uuid::try_parse(typed).is_ok() {
        return Ok(typed.to_lowercase());
    }
    Ok(find_worker(service, typed).await?.worker_id)
}
