//! Finding the checkpoint service: the configured endpoint, else the local stack, started if it is not running.

use std::time::Duration;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_runtime::auth::Token;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::server::MAX_MESSAGE_BYTES;
use shim_runtime::stack::Stack;
use tonic::Request;

use crate::config::Config;
use crate::failure::Failure;

/// A typed client of the checkpoint service.
pub(crate) type Checkpoints = CheckpointServiceClient<Channel>;

const STACK_READY_WITHIN: Duration = Duration::from_secs(10);
const CALL_WITHIN: Duration = Duration::from_secs(30);

/// The service that is configured, or the local stack's.
///
/// # Errors
/// If the stack cannot be started.
pub(crate) async fn checkpoints(config: &Config) -> Result<Checkpoints, Failure> {
    let endpoint = match &config.runtime.endpoints.checkpoint {
        Some(endpoint) => endpoint.clone(),
        None => {
            let exe = std::env::current_exe()?;
            Stack::at(config.data_dir())
                .configured_by(config.runtime.file.clone())
                .ensure_running(&exe, STACK_READY_WITHIN)
                .await?;
            Endpoint::Unix(Stack::at(config.data_dir()).socket())
        }
    };
    checkpoints_at(config, &endpoint)
}

/// The service at `endpoint`; nothing is started.
///
/// # Errors
/// If the token cannot be read.
pub(crate) fn checkpoints_at(config: &Config, endpoint: &Endpoint) -> Result<Checkpoints, Failure> {
    let token = config
        .runtime
        .token_file
        .as_deref()
        .map(Token::from_file)
        .transpose();
    let token = token.map_err(|e| Failure::new(e.to_string()))?;
    let channel = client::connect(endpoint, token.as_ref())?;
    Ok(CheckpointServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// A request that gives up after a while, so that a person never waits on a hung service.
pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_WITHIN);
    request
}

/// A fresh idempotency key.
pub(crate) fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
