//! Phase 3 of SHIM, the side of the workers: the programs that do tasks, their life, and who of those waiting gets a task.
//!
//! `executor` runs programs and knows nothing of where tasks come from; `life` takes tasks and tells how they go; `crew`
//! joins both to the store. `distributor` matches all who wait, those of this process and Claude windows, with tasks.

mod config;
mod crew;
mod distributor;
mod domain;
pub mod executor;
pub mod life;
mod memory;
mod rpc;
mod spans;

use std::sync::Arc;

use shim_proto::worker::v1::worker_service_server::WorkerServiceServer;
use shim_runtime::client::Channel;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, MAX_MESSAGE_BYTES, ServeError, Server};
use shim_store::{Error, Link, Once, Store};
use tonic::server::NamedService;

pub use config::{Config, ExecutorConfig, ExecutorKind};

use crew::{Crew, Start};
use distributor::Distributor;
use executor::Workshop;
use memory::Memory;
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
    let workshop = Workshop::open(&config).map_err(StartError::Folders)?;
    let distributor = Distributor::start(store.clone(), shutdown.clone());
    let crew = Crew::new(
        store.clone(),
        distributor.clone(),
        workshop,
        Arc::new(config),
        Memory::new(checkpoints),
    );
    for name in starts {
        let starting = start_when_possible(crew.clone(), store.link.clone(), name);
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
            crew,
        },
        shutdown: shutdown.clone(),
    })
}

/// Starts a worker once Redis can be reached.
async fn start_when_possible(crew: Crew, mut link: Link, executor: String) {
    let once = Once::anew();
    loop {
        while link.health().is_err() {
            link.health_changed().await;
        }
        let start = Start {
            executor: executor.clone(),
            ..Start::default()
        };
        match crew.start(&once, start).await {
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
        self.tell_health(&server);
        server.with(workers)
    }

    /// Drains the workers of this process, after the shutdown began: what they have ends or goes to others.
    pub async fn finish(self) {
        self.api.crew.finish().await;
        self.api.distributor.finish().await;
    }

    fn tell_health(&self, server: &Server) {
        let readiness = server.readiness();
        let mut link = self.api.store.link.clone();
        let shutdown = self.shutdown.clone();
        let name = WorkerServiceServer::<Api>::NAME;
        // Before the server serves: until told otherwise it takes a service for ready.
        readiness.set(name, link.health());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = link.health_changed() => readiness.set(name, link.health()),
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
