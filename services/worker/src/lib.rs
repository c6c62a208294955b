//! Phase 3 of SHIM, the side of the workers: the programs that do tasks, their life, and who of those waiting gets a task.
//!
//! `executor` runs programs and knows nothing of where tasks come from; `run_loop` takes tasks and tells how they go; `pool`
//! joins both to the store. `distributor` matches all who wait, those of this process and Claude windows, with tasks.

mod checkpointing;
mod config;
mod distributor;
mod domain;
pub mod executor;
mod pool;
mod rpc;
pub mod run_loop;
mod spans;

use std::sync::Arc;

use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::worker::v1::worker_service_server::WorkerServiceServer;
use shim_runtime::client::Channel;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, ServeError, Server};
use shim_store::{Error, IdempotencyKey, RedisConnection, Store};
use tonic::server::NamedService;

pub use config::{Config, ExecutorConfig, ExecutorKind};

use checkpointing::Checkpointer;
use distributor::Distributor;
use executor::ExecutorContext;
use pool::{StartOptions, WorkerPool};
use rpc::Api;

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
    shutdown: Shutdown,
}

/// Begins to match workers and tasks, and starts the workers that the configuration names, as soon as Redis can be
/// reached. `checkpoints` is the way to the checkpoint service, if there is one.
///
/// # Errors
/// If its folders cannot be made, or a worker to start has no executor.
pub fn build(
    config: Config,
    store: Store,
    checkpoints: Option<Channel>,
    shutdown: &Shutdown,
) -> Result<Service, StartError> {
    let starts = config.start.clone();
    if let Some(unknown) = starts
        .iter()
        .find(|name| !config.executors.contains_key(*name))
    {
        return Err(StartError::Executor(format!(
            "there is no executor {unknown}"
        )));
    }
    let executor_context = ExecutorContext::open(&config).map_err(StartError::Folders)?;
    let distributor = Distributor::start(store.clone(), shutdown.clone());
    let pool = WorkerPool::new(
        store.clone(),
        distributor.clone(),
        executor_context,
        Arc::new(config),
        Checkpointer::new(checkpoints),
    );
    for name in starts {
        let starting = start_when_possible(pool.clone(), store.connection.clone(), name);
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = starting => {}
                () = shutdown.wait() => {}
            }
        });
    }
    Ok(Service {
        api: Api {
            store,
            distributor,
            pool,
        },
        shutdown: shutdown.clone(),
    })
}

/// Starts a worker once Redis can be reached.
async fn start_when_possible(pool: WorkerPool, mut connection: RedisConnection, executor: String) {
    let idempotency_key = IdempotencyKey::fresh();
    loop {
        while connection.health().is_err() {
            connection.health_changed().await;
        }
        let start = StartOptions {
            executor: executor.clone(),
            ..StartOptions::default()
        };
        match pool.start(&idempotency_key, start).await {
            Ok(_) | Err(Error::Stopping) => return,
            Err(error) => tracing::warn!(%error, executor, "a worker cannot start; trying again"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

impl Service {
    /// Adds the service's RPCs to a server, and keeps its health as Redis's.
    #[must_use]
    pub fn register(&self, server: Server) -> Server {
        let workers =
            WorkerServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.publish_health(&server);
        server.with(workers)
    }

    /// Drains the workers of this process, after the shutdown began: what they have ends or goes to others.
    pub async fn finish(&self) {
        self.api.pool.finish().await;
        self.api.distributor.finish().await;
    }

    fn publish_health(&self, server: &Server) {
        let readiness = server.readiness();
        let mut connection = self.api.store.connection.clone();
        let shutdown = self.shutdown.clone();
        let name = WorkerServiceServer::<Api>::NAME;
        // Before the server serves: until told otherwise it takes a service for ready.
        readiness.set(name, connection.health());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = connection.health_changed() => readiness.set(name, connection.health()),
                    () = shutdown.wait() => return,
                }
            }
        });
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
    let server = service.register(server);
    let (served, ()) = tokio::join!(server.serve(listeners, shutdown.clone()), async {
        shutdown.wait().await;
        service.finish().await;
    });
    Ok(served?)
}

impl shim_runtime::service::Service for Service {
    fn register(&self, server: Server) -> Server {
        Self::register(self, server)
    }

    fn drain(&self) -> shim_runtime::service::BoxFuture<'_, ()> {
        Box::pin(self.finish())
    }
}
