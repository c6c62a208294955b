//! `shim worker`: the worker service alone in its process, over a Redis that is configured.

use std::net::SocketAddr;
use std::process::ExitCode;

use shim_runtime::client;

use crate::config::Config;
use crate::failure::Failure;
use crate::service::{self, Bound, loopback, open_store, token};

/// Where the service listens unless told otherwise.
const ADDRESS: SocketAddr = loopback(50_053);

/// What is started at once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) service: service::Args,
    /// An executor to start a worker of; may be given several times [setting: worker.start]
    #[arg(long, value_name = "NAME")]
    pub(crate) executor: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  shim worker                                   tasks for Claude windows only
  shim worker --executor claude --executor make  and two workers of this machine, as worker.executors.* describe them";

/// Runs until SIGINT or SIGTERM, then drains its workers.
pub(crate) fn run(args: &Args, config: Config) -> Result<ExitCode, Failure> {
    if !config.coordination.has_redis() {
        return Err(
            Failure::usage("redis_url is not set, and the worker service finds its tasks in Redis")
                .hint("set redis_url (SHIM_REDIS_URL) to the coordination service's; `shim up` brings a Redis of its own"),
        );
    }
    service::run(&args.service, config, ADDRESS, serve)
}

async fn serve(config: Config, bound: Bound) -> Result<(), Failure> {
    let checkpoints = match &config.runtime.endpoints.checkpoint {
        Some(endpoint) => Some(client::connect(endpoint, token(&config)?.as_ref())?),
        None => {
            tracing::info!("endpoints.checkpoint is not set: tasks are done without checkpoints");
            None
        }
    };
    let store = open_store(&config.coordination.store, &bound.shutdown)?;
    shim_worker::run(
        config.worker,
        store,
        checkpoints,
        bound.server,
        bound.listeners,
        bound.shutdown,
    )
    .await?;
    Ok(())
}

impl From<shim_worker::StartError> for Failure {
    fn from(error: shim_worker::StartError) -> Self {
        Self::new(error.to_string())
            .hint("`shim doctor` checks folders, programs and the way to Redis")
    }
}
