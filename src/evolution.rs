//! `shim evolution`: the evolution service alone in its process.

use std::net::SocketAddr;
use std::process::ExitCode;

use shim_evolution::Peers;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::server::Server;
use shim_runtime::service::{BoxFuture, Service, serve as serve_all};

use crate::config::Config;
use crate::error::CliError;
use crate::service::{self, Args, BoundServer, credentials, loopback, open_store};
use crate::up::services::analysis_worker;

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
    let checkpoints = peers.checkpoint.clone();
    let evolution = shim_evolution::build(config.evolution.clone(), peers, &bound.shutdown).await?;
    let mut services: Vec<Box<dyn Service>> = Vec::new();
    if config.coordination.has_redis() {
        let store = open_store(&config.coordination.store, &bound.shutdown)?;
        let settings = shim_worker::Config {
            start: Vec::new(),
            // Its own: another service of this machine may keep records in the usual one.
            groups: config.data_dir().join("evolution").join("worker-groups"),
            ..config.worker.clone()
        };
        let worker = shim_worker::build(settings, store, checkpoints, &bound.shutdown)?;
        worker.keep_own(analysis_worker(&evolution));
        services.push(Box::new(Silent(worker)));
    } else {
        tracing::info!(
            "redis_url is not set: no tasks of the kinds analyze, evolve and generate_tests are done here"
        );
    }
    services.push(Box::new(evolution));
    serve_all(&services, bound.server, bound.listeners, bound.shutdown).await?;
    Ok(())
}

/// A service whose calls another process answers.
struct Silent(shim_worker::Service);

impl Service for Silent {
    fn register(&self, server: Server) -> Server {
        server
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        self.0.drain()
    }
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
