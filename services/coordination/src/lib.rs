//! Phases 2 and 3 of SHIM: state, locks, file leases, messages and workers that many sessions share, kept in Redis.
//!
//! `rpc` decodes and encodes, `domain` plans jobs and merges results; the crate `shim-store` decides the rest, and commits
//! in one script per transition.
//! The crate's README states what it promises.

// The supervisor's futures go down to BullMQ's sockets.
#![recursion_limit = "256"]

mod config;
mod domain;
mod leader;
mod reaper;
mod rpc;
mod sampler;
mod supervisor;
mod trouble;

use shim_proto::coordination::v1::bus_service_server::BusServiceServer;
use shim_proto::coordination::v1::lock_service_server::LockServiceServer;
use shim_proto::coordination::v1::registry_service_server::RegistryServiceServer;
use shim_proto::coordination::v1::state_service_server::StateServiceServer;
use shim_proto::coordination::v1::task_service_server::TaskServiceServer;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, MAX_MESSAGE_BYTES, ServeError, Server};
use shim_store::{Link, Store};
use tokio::task::JoinHandle;
use tonic::server::NamedService;

pub use config::Config;
pub use shim_store::Error;

use reaper::Reaper;
use rpc::Api;
use sampler::Sampler;
use supervisor::Supervisor;

/// Why the service cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of Redis is wrong.
    #[error("redis_url: {0}")]
    Address(String),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// The running service, ready to be added to a server.
pub struct Service {
    api: Api,
    reaper: JoinHandle<()>,
    supervisor: JoinHandle<()>,
    sampler: JoinHandle<()>,
}

/// Starts the background tasks, which end with the shutdown. It does not wait for Redis: until that is there, calls are
/// answered with UNAVAILABLE.
#[must_use]
pub fn build(config: &Config, store: Store, shutdown: &Shutdown) -> Service {
    let beats = config.store.registry;
    let reaper = Reaper::new(store.clone(), beats.dead_after, shutdown.clone());
    let supervisor = Supervisor::new(store.clone(), &config.tasks, shutdown.clone());
    let sampler = Sampler::new(store.clone(), shutdown.clone());
    Service {
        reaper: tokio::spawn(reaper.run()),
        supervisor: tokio::spawn(supervisor.run()),
        sampler: tokio::spawn(sampler.run()),
        api: Api {
            store,
            beats,
            shutdown: shutdown.clone(),
        },
    }
}

impl Service {
    /// Adds the service's RPCs to a server, and keeps its health as Redis's.
    #[must_use]
    pub fn register(&self, server: Server) -> Server {
        let state =
            StateServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let locks =
            LockServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let bus =
            BusServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let registry = RegistryServiceServer::new(self.api.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let tasks =
            TaskServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.tell_health(&server);
        server
            .with(state)
            .with(locks)
            .with(bus)
            .with(registry)
            .with(tasks)
    }

    /// Waits, after the shutdown, until what must be given back was given back.
    pub async fn finish(self) {
        let tasks = [
            ("reaper", self.reaper),
            ("supervisor", self.supervisor),
            ("sampler", self.sampler),
        ];
        for (name, task) in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, name, "a background task failed");
            }
        }
    }

    fn tell_health(&self, server: &Server) {
        let readiness = server.readiness();
        let mut link = self.api.store.link.clone();
        let shutdown = self.api.shutdown.clone();
        let tell = move |link: &Link| NAMES.map(|name| readiness.set(name, link.health()));
        // Before the server serves: until told otherwise it takes a service for ready.
        tell(&link);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = link.health_changed() => tell(&link),
                    () = shutdown.wait() => return,
                };
            }
        });
    }
}

/// The gRPC services whose health is Redis's.
const NAMES: [&str; 5] = [
    StateServiceServer::<Api>::NAME,
    LockServiceServer::<Api>::NAME,
    BusServiceServer::<Api>::NAME,
    RegistryServiceServer::<Api>::NAME,
    TaskServiceServer::<Api>::NAME,
];

/// Runs the service alone until the shutdown begins, then drains.
///
/// # Errors
/// If it cannot start or its server fails.
pub async fn run(
    config: &Config,
    server: Server,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let store = Store::open_at(&config.store, &shutdown).map_err(StartError::Address)?;
    let service = build(config, store, &shutdown);
    service.register(server).serve(listeners, shutdown).await?;
    service.finish().await;
    Ok(())
}
