//! Why the gateway cannot run.

use rmcp::service::ServerInitializeError;
use shim_runtime::auth::{CredentialsError, TokenError};
use shim_runtime::server::ListenError;

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The async runtime or the signal handlers could not be set up.
    #[error("the gateway cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The path of this program, which also runs the stack, is unknown.
    #[error("the path of this program cannot be found, so the local stack cannot be started: {0}")]
    OwnProgram(std::io::Error),
    /// An endpoint cannot be connected to.
    #[error("{0}: {1}")]
    Endpoint(&'static str, #[source] tonic::transport::Error),
    /// The token file cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The credentials for the services cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The HTTP address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The client does not speak MCP.
    #[error("the client did not open an MCP connection: {0}")]
    Protocol(Box<ServerInitializeError>),
    /// A background task panicked without which the process must not go on.
    #[error("{0}")]
    Background(String),
}
