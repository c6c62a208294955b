//! `shim checkpoint`: the checkpoint service alone in its process.

use std::net::SocketAddr;
use std::process::ExitCode;

use crate::config::Config;
use crate::error::CliError;
use crate::service::{self, Args, BoundServer, loopback};

/// The default address of the service.
const ADDRESS: SocketAddr = loopback(50_051);

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(args: &Args, config: Config) -> Result<ExitCode, CliError> {
    service::run("shim-checkpoint", args, config, ADDRESS, serve)
}

async fn serve(config: Config, bound: BoundServer) -> Result<(), CliError> {
    let data_dir = &config.runtime.data_dir;
    shim_checkpoint::run(
        config.checkpoint,
        data_dir,
        bound.server,
        bound.listeners,
        bound.shutdown,
    )
    .await?;
    Ok(())
}

impl From<shim_checkpoint::StartError> for CliError {
    fn from(error: shim_checkpoint::StartError) -> Self {
        Self::new(error.to_string()).hint("`shim doctor` checks the data folder and the database")
    }
}
