//! Phase 3 of SHIM, the side of the workers: the programs that do tasks, their life, and which waiting worker gets a task.
//!
//! `executor` has programs do tasks; `pool` runs the workers of this process over the store; `distributor` matches all that
//! wait, workers of this process and Claude windows, with tasks. Processes are the business of `shim-exec`, a worker's life
//! that of `shim-work`.

mod checkpointing;
mod config;
mod distributor;
mod domain;
mod error;
pub mod executor;
mod executor_queues;
mod own_worker;
mod pool;
mod rpc;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::worker::v1::worker_service_server::WorkerServiceServer;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::client::Channel;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, ServeError, Server};
use shim_runtime::service::{self, BoxFuture};
use shim_store::{Error, IdempotencyKey, RedisConnection, Store, health};
use tonic::server::NamedService;

pub use config::{Config, ExecutorConfig, ExecutorKind};
pub use pool::OwnWorker;

use checkpointing::Checkpointer;
use distributor::Distributor;
use error::WorkerError;
use executor::ExecutorContext;
use pool::{StartOptions, WorkerPool};
use rpc::Api;

/// The pause before another try to start a worker of the configuration.
const START_BACKOFF: Duration = Duration::from_secs(1);

/// The gRPC services whose health is Redis's.
const SERVICE_NAMES: [&str; 1] = [WorkerServiceServer::<Api>::NAME];

/// Why the service cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder of its own cannot be made.
    #[error("the worker's folders cannot be made: {0}")]
    Folders(std::io::Error),
    /// A worker that should start at once has no such executor.
    #[error("worker.start: {0}")]
    Executor(String),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// The running service, ready to be added to a server.
pub struct Service {
    api: Api,
    background: BackgroundTasks,
}

/// Begins to match workers and tasks, and starts the configured workers as soon as Redis can be reached. `checkpoints`
/// leads to the checkpoint service, if there is one.
///
/// # Errors
/// If the service's folders cannot be made, or a worker to start has no executor.
pub fn build(
    config: Config,
    store: Store,
    checkpoints: Option<Channel>,
    shutdown: &Shutdown,
) -> Result<Service, StartError> {
    check_start(&config)?;
    let executor_context = ExecutorContext::open(&config).map_err(StartError::Folders)?;
    let background = BackgroundTasks::new("worker", shutdown);
    let distributor = Distributor::start(store.clone(), shutdown.clone());
    let config = Arc::new(config);
    let pool = WorkerPool::new(
        store.clone(),
        distributor.clone(),
        executor_context,
        Arc::clone(&config),
        Checkpointer::new(checkpoints, background.clone()),
        background.clone(),
    );
    executor_queues::keep(&config.executors, &store, &background);
    for executor in config.start.clone() {
        start_when_possible(&pool, &store.connection, executor, &background);
    }
    Ok(Service {
        api: Api {
            store,
            distributor,
            pool,
        },
        background,
    })
}

/// Every worker to start needs its executor.
fn check_start(config: &Config) -> Result<(), StartError> {
    let is_unknown = |name: &&String| !config.executors.contains_key(*name);
    match config.start.iter().find(is_unknown) {
        Some(name) => Err(StartError::Executor(format!("there is no executor {name}"))),
        None => Ok(()),
    }
}

/// Starts a worker in the background once Redis can be reached.
fn start_when_possible(
    pool: &WorkerPool,
    connection: &RedisConnection,
    executor: String,
    background: &BackgroundTasks,
) {
    let (pool, connection, shutdown) = (
        pool.clone(),
        connection.clone(),
        background.shutdown().clone(),
    );
    // One key for all tries: they start one worker.
    let idempotency_key = IdempotencyKey::fresh();
    background.spawn_restarting("worker_start", move || {
        let (pool, connection, shutdown) = (pool.clone(), connection.clone(), shutdown.clone());
        let (idempotency_key, executor) = (idempotency_key.clone(), executor.clone());
        async move {
            tokio::select! {
                () = try_to_start(&pool, connection, &idempotency_key, executor) => {}
                () = shutdown.wait() => {}
            }
        }
    });
}

async fn try_to_start(
    pool: &WorkerPool,
    mut connection: RedisConnection,
    idempotency_key: &IdempotencyKey,
    executor: String,
) {
    loop {
        while connection.health().is_err() {
            connection.health_changed().await;
        }
        let start = StartOptions {
            executor: executor.clone(),
            ..StartOptions::default()
        };
        match pool.start(idempotency_key, start).await {
            Ok(_) | Err(WorkerError::Store(Error::Stopping)) => return,
            Err(error) => tracing::warn!(%error, executor, "a worker cannot start; trying again"),
        }
        tokio::time::sleep(START_BACKOFF).await;
    }
}

impl Service {
    /// Lets a worker of this process do tasks with `own.executor`, while there are tasks for it.
    pub fn keep_own(&self, own: OwnWorker) {
        own_worker::keep(own, &self.api.pool, &self.api.store, &self.background);
    }
}

impl shim_runtime::service::Service for Service {
    fn register(&self, server: Server) -> Server {
        let workers =
            WorkerServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        health::report(
            &self.api.store.connection,
            &server.readiness(),
            &SERVICE_NAMES,
            &self.background,
        );
        server.with(workers)
    }

    /// Drains the workers of this process: their tasks end, or are given back.
    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.api.pool.finish().await;
            self.api.distributor.finish().await;
            self.background.finish().await;
        })
    }
}

/// Runs the service alone until the shutdown begins, then drains.
///
/// # Errors
/// If it cannot start or its server fails.
pub async fn run(
    config: Config,
    store: Store,
    checkpoints: Option<Channel>,
    server: Server,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let service = build(config, store, checkpoints, &shutdown)?;
    service::serve(&[Box::new(service)], server, listeners, shutdown).await?;
    Ok(())
}
