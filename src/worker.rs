//! `shim worker`: the worker service alone in its process, over a Redis that is configured.

use std::net::SocketAddr;
use std::process::ExitCode;

use shim_runtime::client;

use crate::config::Config;
use crate::error::CliError;
use crate::service::{self, BoundServer, credentials, loopback, open_store};

/// The default address of the service.
const ADDRESS: SocketAddr = loopback(50_053);
/// A larger count on one machine is a typing error; one worker may take 64 tasks.
const MAX_WORKERS: usize = 64;

/// What is started at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) service: service::Args,
    /// An executor to start workers of, one unless a count is given; may be given again [setting: worker.start]
    #[arg(long, value_name = "NAME[=COUNT]", value_parser = parse_executor_count)]
    executor: Vec<ExecutorCount>,
}

/// Workers with the same executor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ExecutorCount {
    executor: String,
    count: usize,
}

impl Args {
    /// The executors to start, each as often as it is wanted.
    pub(crate) fn start(&self) -> Vec<&str> {
        let entries = self.executor.iter();
        entries
            .flat_map(|entry| std::iter::repeat_n(entry.executor.as_str(), entry.count))
            .collect()
    }
}

fn parse_executor_count(typed: &str) -> Result<ExecutorCount, String> {
    let (executor, count) = typed.split_once('=').unwrap_or((typed, "1"));
    let count = count
        .parse()
        .ok()
        .filter(|count| (1..=MAX_WORKERS).contains(count));
    Ok(ExecutorCount {
        executor: executor.to_owned(),
        count: count.ok_or_else(|| format!("a count is 1 to {MAX_WORKERS}"))?,
    })
}

const EXAMPLES: &str = "\
Examples:
  shim worker                                      serves tasks to Claude windows only
  shim worker --executor claude=2 --executor make  and runs three workers, as worker.executors.* describe them

The service's port is 50053. `shim up` runs it with the other services.";

/// Runs until SIGINT or SIGTERM, then drains its workers.
pub(crate) fn run(args: &Args, config: Config) -> Result<ExitCode, CliError> {
    if !config.coordination.has_redis() {
        return Err(
            CliError::usage("redis_url is not set, and the worker service finds its tasks in Redis")
                .hint("set redis_url (SHIM_REDIS_URL) to the coordination service's; `shim up` brings a Redis of its own"),
        );
    }
    service::run("shim-worker", &args.service, config, ADDRESS, serve)
}

async fn serve(config: Config, bound: BoundServer) -> Result<(), CliError> {
    let checkpoints = match &config.runtime.endpoints.checkpoint {
        Some(endpoint) => Some(client::connect(endpoint, Some(&credentials(&config)?))?),
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

impl From<shim_worker::StartError> for CliError {
    fn from(error: shim_worker::StartError) -> Self {
        Self::new(error.to_string())
            .hint("`shim doctor` checks folders, programs and the way to Redis")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executor_is_started_as_often_as_it_is_wanted() {
        let args = Args {
            service: service::Args::default(),
            executor: ["claude=2", "make"]
                .iter()
                .filter_map(|typed| parse_executor_count(typed).ok())
                .collect(),
        };
        assert_eq!(args.start(), ["claude", "claude", "make"]);
        for wrong in ["claude=", "claude=0", "claude=65", "claude=many"] {
            assert!(parse_executor_count(wrong).is_err(), "{wrong}");
        }
    }
}
