//! `shim evolution`: the evolution service alone in its process.

use std::net::SocketAddr;
use std::process::ExitCode;

use shim_evolution::Peers;
use shim_runtime::client::Channel;
use shim_runtime::client::{self, Endpoint};

use crate::config::Config;
use crate::error::CliError;
use crate::service::{self, Args, BoundServer, credentials, loopback};

/// The default address of the service.
const ADDRESS: SocketAddr = loopback(50_054);

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(args: &Args, config: Config) -> Result<ExitCode, CliError> {
    service::run("shim-evolution", args, config, ADDRESS, serve)
}

async fn serve(config: Config, bound: BoundServer) -> Result<(), CliError> {
    let endpoints = &config.runtime.endpoints;
    let peers = Peers {
        checkpoint: connect(&config, endpoints.checkpoint.as_ref())?,
        coordination: connect(&config, endpoints.coordination.as_ref())?,
        worker: connect(&config, endpoints.worker.as_ref())?,
    };
    if peers.coordination.is_none() || peers.worker.is_none() {
        tracing::info!(
            "endpoints.coordination or endpoints.worker is not set: no tasks of the kinds analyze, evolve and generate_tests are done"
        );
    }
    shim_evolution::run(
        config.evolution,
        peers,
        bound.server,
        bound.listeners,
        bound.shutdown,
    )
    .await?;
    Ok(())
}

fn connect(config: &Config, endpoint: Option<&Endpoint>) -> Result<Option<Channel>, CliError> {
    let connected =
        endpoint.map(|endpoint| Ok(client::connect(endpoint, Some(&credentials(config)?))?));
    connected.transpose()
}

impl From<shim_evolution::StartError> for CliError {
    fn from(error: shim_evolution::StartError) -> Self {
        Self::new(error.to_string()).hint("`shim doctor` checks the data folder and the database")
    }
}
