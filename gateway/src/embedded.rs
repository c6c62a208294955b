//! The gateway inside another process: the caller gives the transport, the client's process and the shutdown.

use std::convert::Infallible;
use std::sync::Arc;

use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_runtime::auth::Auth;
use shim_runtime::config::Config as RuntimeConfig;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::limits::Limits;
use shim_runtime::server::Readiness;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::config::{ClientContext, Config};
use crate::connection;
use crate::error::GatewayError;
use crate::frames::StdioTransport;
use crate::gateway::Gateway;
use crate::streamable_http::{self, Admission};
use crate::upstream_health;
use crate::web_names::WebNames;

/// A gateway that reads neither the environment nor the process's parent, streams or signals.
pub struct EmbeddedGateway {
    gateway: Arc<Gateway>,
    web: WebNames,
    shutdown: Shutdown,
}

impl EmbeddedGateway {
    /// Prepares a gateway and opens nothing. `client` is the process of the MCP client, if it is known: its sessions are
    /// left undetached if that process is dead when the connection ends.
    ///
    /// # Errors
    /// If an endpoint or its credentials cannot be used.
    pub fn prepare(
        runtime: &RuntimeConfig,
        config: Config,
        client: Option<ProcessIdentity>,
        shutdown: Shutdown,
    ) -> Result<Self, GatewayError> {
        let web = config.web.clone();
        let client_context = ClientContext::read(config, |_| None, client);
        let gateway = Gateway::prepare(runtime, client_context, &shutdown)?;
        Ok(Self {
            gateway,
            web,
            shutdown,
        })
    }

    /// Serves one client over JSON lines until the stream ends or the shutdown begins.
    ///
    /// # Errors
    /// If the client does not speak MCP.
    pub async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
    ) -> Result<(), GatewayError> {
        let (input, output) = tokio::io::split(stream);
        let transport = StdioTransport::new(input, output);
        connection::serve(self.gateway, transport, self.shutdown).await
    }

    /// Serves clients over Streamable HTTP at `/mcp` until the shutdown begins.
    pub async fn serve_http(self, listener: TcpListener, auth: Auth, limits: Limits) {
        let admission = Admission::new(auth, limits);
        let admitted = (admission, self.web);
        streamable_http::serve(self.gateway, listener, admitted, self.shutdown).await;
    }

    /// Keeps `readiness` at what the services behind the gateway say of their health; never ends.
    pub async fn watch_upstreams(&self, readiness: &Readiness) -> Infallible {
        upstream_health::watch(&self.gateway.services, readiness).await
    }
}
