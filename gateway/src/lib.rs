//! The MCP gateway: six tools, three prompts and the resources over the gRPC services.
//!
//! [`run_stdio`] serves the client that started the process, [`run_http`] any that connect. `frames` reads what they send.
//! A request goes from `server` to one file of `tools`, which asks `services`; `sessions` holds what this process owns, `inboxes`,
//! `workers` and `claims` keep their messages, heartbeats and tasks going, and `evidence` gathers what only this machine
//! can see. State lives in the services: a killed gateway loses nothing. [`EmbeddedGateway`] is the same gateway in a process
//! of the caller's.

mod arguments;
mod call_metrics;
mod claims;
mod client_watch;
mod config;
mod connection;
mod embedded;
mod error;
pub mod evidence;
mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod inbox;
mod inboxes;
mod live_conversation;
mod prior_work;
mod prompts;
mod recovery;
mod remedies;
mod render;
mod resources;
mod server;
mod services;
mod sessions;
mod short_ids;
mod spans;
mod streamable_http;
mod tool_error;
mod tools;
mod upstream_health;
mod web_names;
mod workers;
mod workspaces;

use std::net::SocketAddr;

use shim_runtime::auth::Auth;
use shim_runtime::config::Config as RuntimeConfig;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::probes::Probes;
use shim_runtime::server::{ListenError, Listeners, Readiness};
use shim_runtime::{client_process, metrics};

pub use config::Config;
pub use embedded::EmbeddedGateway;
pub use error::GatewayError;
pub use web_names::WebNames;

use config::ClientContext;
use frames::StdioTransport;
use gateway::Gateway;
use services::Services;
use streamable_http::Admission;

/// Serves the MCP client on stdin and stdout until it closes them or a signal comes.
///
/// # Errors
/// If the gateway cannot start or the client does not speak MCP.
pub fn run_stdio(runtime: RuntimeConfig, config: Config) -> Result<(), GatewayError> {
    run(async move |shutdown| {
        let auth = Auth::by_token(runtime.token_file.as_deref())?;
        let client_context = ClientContext::read(config, environment, client_process::find());
        let gateway = Gateway::prepare(&runtime, client_context, &shutdown)?;
        let services = gateway.services.clone();
        let (stdin, stdout) = rmcp::transport::stdio_pipes();
        let client = StdioTransport::new(stdin, stdout);
        let served = connection::serve(gateway, client, shutdown.clone());
        with_probes(&runtime, auth, &services, shutdown, served).await?
    })
}

/// Serves MCP clients over Streamable HTTP at `http://ADDRESS/mcp` until a signal comes.
///
/// # Errors
/// If the address cannot be bound, or is not a loopback address and no token is configured; on a loopback address the
/// data folder's token is asked for then.
pub fn run_http(
    runtime: RuntimeConfig,
    config: Config,
    address: SocketAddr,
) -> Result<(), GatewayError> {
    run(async move |shutdown| {
        let auth = Auth::by_token(runtime.token_file.as_deref())?;
        let mut listeners = Listeners::default();
        // First: whoever finds the port finds the token.
        let auth = runtime.protect(auth, address)?;
        let bound = listeners.bind_tcp(address, &auth).await?;
        let web = config.web.clone();
        // The parent of this process is not the client of the connections.
        let client_context = ClientContext::read(config, environment, None);
        let gateway = Gateway::prepare(&runtime, client_context, &shutdown)?;
        tracing::info!("MCP over HTTP at http://{bound}/mcp");
        if let Some(listener) = listeners.tcp {
            let admission = Admission::new(auth.clone(), runtime.limits.clone());
            let served = streamable_http::serve(
                gateway.clone(),
                listener,
                (admission, web),
                shutdown.clone(),
            );
            with_probes(&runtime, auth, &gateway.services, shutdown, served).await?;
        }
        gateway.close("the gateway was stopped").await;
        Ok(())
    })
}

/// Serves, and beside it answers probes and watches the services' health if `metrics_listen` is set.
async fn with_probes<T>(
    runtime: &RuntimeConfig,
    auth: Auth,
    services: &Services,
    shutdown: Shutdown,
    served: impl Future<Output = T>,
) -> Result<T, GatewayError> {
    let Some(address) = runtime.metrics_listen else {
        return Ok(served.await);
    };
    let probes = Probes::bind(address, runtime.metrics_open)
        .await
        .map_err(|error| ListenError::BindProbes(address, error))?;
    metrics::init_series("gateway");
    call_metrics::register_at_zero();
    let readiness = Readiness::default();
    tokio::select! {
        done = served => Ok(done),
        never = probes.serve(readiness.clone(), auth, shutdown) => match never {},
        never = upstream_health::watch(services, &readiness) => match never {},
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs on one thread, which is plenty for a relay and keeps it small. A stuck look at a file does not hold up the exit.
///
/// # Errors
/// With what `gateway` fails with, or if a background task panicked without which the process must not go on.
fn run(
    gateway: impl AsyncFnOnce(Shutdown) -> Result<(), GatewayError>,
) -> Result<(), GatewayError> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = tokio.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        gateway(shutdown.clone()).await?;
        let failure = shutdown.failure();
        failure.map_or(Ok(()), |reason| Err(GatewayError::Background(reason)))
    });
    tokio.shutdown_background();
    outcome
}
