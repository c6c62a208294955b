//! Phases 2 and 3 of SHIM: state, locks, file leases, messages and workers that many sessions share, kept in Redis.
//!
//! `rpc` decodes and encodes, `domain` plans jobs and merges results; the crate `shim-store` decides the rest, and commits
//! in one script per transition.
//! The crate's README states what it promises.

// The supervisor's futures go down to BullMQ's sockets.
#![recursion_limit = "256"]

mod config;
mod domain;
mod gauges;
mod leader;
mod log_once;
mod reaper;
mod rpc;
mod supervisor;

use shim_proto::coordination::v1::bus_service_server::BusServiceServer;
use shim_proto::coordination::v1::lock_service_server::LockServiceServer;
use shim_proto::coordination::v1::registry_service_server::RegistryServiceServer;
use shim_proto::coordination::v1::state_service_server::StateServiceServer;
use shim_proto::coordination::v1::task_service_server::TaskServiceServer;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, ServeError, Server};
use shim_store::{RedisConnection, Store};
use tokio::task::JoinHandle;
use tonic::server::NamedService;

pub use config::Config;
pub use shim_store::Error;

use gauges::GaugeSampler;
use reaper::Reaper;
use rpc::Api;
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
    gauges: JoinHandle<()>,
}

/// Starts the background tasks, which end with the shutdown. It does not wait for Redis: until that is there, calls are
/// answered with UNAVAILABLE.
#[must_use]
pub fn build(config: &Config, store: Store, shutdown: &Shutdown) -> Service {
    let registry_config = config.store.registry;
    let reaper = Reaper::new(store.clone(), registry_config.dead_after, shutdown.clone());
    let supervisor = Supervisor::new(store.clone(), &config.tasks, shutdown.clone());
    let gauges = GaugeSampler::new(store.clone(), shutdown.clone());
    Service {
        reaper: tokio::spawn(reaper.run()),
        supervisor: tokio::spawn(supervisor.run()),
        gauges: tokio::spawn(gauges.run()),
        api: Api {
            store,
            registry_config,
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
        self.report_health(&server);
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
            ("gauges", self.gauges),
        ];
        for (name, task) in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, name, "a background task failed");
            }
        }
    }

    fn report_health(&self, server: &Server) {
        let readiness = server.readiness();
        let mut connection = self.api.store.connection.clone();
        let shutdown = self.api.shutdown.clone();
        let report = move |connection: &RedisConnection| {
            SERVICE_NAMES.map(|name| readiness.set(name, connection.health()))
        };
        // Before the server serves: until told otherwise it takes a service for ready.
        report(&connection);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = connection.health_changed() => report(&connection),
                    () = shutdown.wait() => return,
                };
            }
        });
    }
}

/// The gRPC services whose health is Redis's.
const SERVICE_NAMES: [&str; 5] = [
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
