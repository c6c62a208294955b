//! `shim coordination`: the coordination service alone in its process, over a Redis that is configured.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::config::Config;
use crate::error::CliError;
use crate::service::{self, Args, BoundServer, loopback};

/// The default address of the service.
const ADDRESS: SocketAddr = loopback(50_052);

/// Runs until SIGINT or SIGTERM. It starts no Redis, unlike the local stack, so redis_url must be set.
pub(crate) fn run(args: &Args, config: Config) -> Result<ExitCode, CliError> {
    if !config.coordination.has_redis() {
        return Err(
            CliError::usage("redis_url is not set, and the coordination service keeps all it knows in Redis")
                .hint("set redis_url (SHIM_REDIS_URL), for example redis://127.0.0.1:6379; `shim up` brings a Redis of its own"),
        );
    }
    service::run("shim-coordination", args, config, ADDRESS, serve)
}

async fn serve(config: Config, bound: BoundServer) -> Result<(), CliError> {
    shim_coordination::run(
        &config.coordination,
        bound.server,
        bound.listeners,
        bound.shutdown,
    )
    .await?;
    Ok(())
}

impl From<shim_coordination::StartError> for CliError {
    fn from(error: shim_coordination::StartError) -> Self {
        Self::new(error.to_string()).hint("`shim doctor` checks the way to Redis")
    }
}
