//! The services of the local stack, as a list: a further one is a further entry.

use std::path::PathBuf;

use shim_proto::coordination::v1::WorkerKind;
use shim_runtime::client::{self, Endpoint};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::service::Service;
use shim_store::Store;
use shim_worker::OwnWorker;

use super::redis::PrivateRedis;
use crate::config::Config;
use crate::error::CliError;
use crate::service::{credentials, open_store};

/// Builds every service over one store: a task that is submitted to this process then wakes its own workers. `socket`
/// is the stack's own.
pub(super) async fn build(
    config: Config,
    redis: Option<&PrivateRedis>,
    socket: PathBuf,
    shutdown: &Shutdown,
) -> Result<(Vec<Box<dyn Service>>, Store), CliError> {
    let checkpoints = client::connect(&Endpoint::Unix(socket), Some(&credentials(&config)?))?;
    // It waits for no Redis: what was saved can be read while that still starts.
    let checkpoint =
        shim_checkpoint::build(config.checkpoint, &config.runtime.data_dir, shutdown).await?;
    let settings = config.coordination.or_redis(redis.map(PrivateRedis::url));
    let store = open_store(&settings.store, shutdown)?;
    // All of them are this process.
    let peers = shim_evolution::Peers {
        checkpoint: Some(checkpoints.clone()),
        coordination: Some(checkpoints.clone()),
        worker: Some(checkpoints.clone()),
    };
    let evolution = shim_evolution::build(config.evolution, peers, shutdown).await?;
    let worker = shim_worker::build(config.worker, store.clone(), Some(checkpoints), shutdown)?;
    worker.keep_own(analysis_worker(&evolution));
    let coordination = shim_coordination::build(&settings, store.clone(), shutdown);
    let services: Vec<Box<dyn Service>> = vec![
        Box::new(checkpoint),
        Box::new(coordination.with_analysis_worker()),
        Box::new(worker),
        Box::new(evolution),
    ];
    Ok((services, store))
}

/// The worker that does the tasks of the evolution service.
pub(crate) fn analysis_worker(evolution: &shim_evolution::Service) -> OwnWorker {
    OwnWorker {
        name: "analysis",
        kind: WorkerKind::Analysis,
        capacity: evolution.capacity(),
        executor: evolution.executor(),
    }
}
