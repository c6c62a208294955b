//! One MCP connection from its first message to its end.

use std::sync::Arc;

use rmcp::service::{RoleServer, ServerInitializeError, ServiceExt};
use rmcp::transport::IntoTransport;
use shim_runtime::lifecycle::Shutdown;

use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::server::McpServer;

/// Serves one connection to its end and leaves its sessions in good order, unless the client died.
pub(crate) async fn serve<T, E, A>(
    gateway: Arc<Gateway>,
    transport: T,
    shutdown: Shutdown,
) -> Result<(), GatewayError>
where
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let outcome = tokio::select! {
        outcome = run_connection(gateway.clone(), transport) => outcome,
        () = shutdown.wait() => {
            gateway.close("the gateway was stopped").await;
            return Ok(());
        }
        () = gateway.client_context.client.death() => Ok(()),
    };
    if gateway.is_client_dead().await {
        // Its death is all there is to see if another process holds our input open. The lease tasks keep their streams
        // open until the process ends: a closed stream would say farewell.
        tracing::info!("the client died; its sessions are left to be found interrupted");
    } else {
        gateway.close("the client closed the connection").await;
    }
    outcome
}

async fn run_connection<T, E, A>(gateway: Arc<Gateway>, transport: T) -> Result<(), GatewayError>
where
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    match McpServer::new(gateway).serve(transport).await {
        Ok(connection) => {
            if let Err(error) = connection.waiting().await {
                tracing::error!("the connection broke down: {error}");
            }
            Ok(())
        }
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(GatewayError::Protocol(Box::new(error))),
    }
}
