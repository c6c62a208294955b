//! The coordination service: state, locks, file leases, messages, workers and tasks that many sessions share, in Redis.
//!
//! `rpc` decodes requests and encodes responses; `domain` plans jobs and merges results. The crate `shim-store` decides
//! everything else, and commits each transition by one script. README.md lists the invariants.

// The supervisor's futures nest down to BullMQ's sockets, deeper than the default limit.
#![recursion_limit = "256"]

mod attention;
mod config;
mod domain;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gauges;
mod leader;
mod living_workers;
mod log_once;
mod process_watch;
mod project_size;
mod reaper;
mod rpc;
mod schedule_reader;
mod supervisor;

use shim_proto::coordination::v1::bus_service_server::BusServiceServer;
use shim_proto::coordination::v1::lock_service_server::LockServiceServer;
use shim_proto::coordination::v1::registry_service_server::RegistryServiceServer;
use shim_proto::coordination::v1::state_service_server::StateServiceServer;
use shim_proto::coordination::v1::task_service_server::TaskServiceServer;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, ServeError, Server};
use shim_runtime::service::{self, BoxFuture};
use shim_store::{Store, health};
use tonic::server::NamedService;

pub use config::Config;
pub use shim_store::Error;

use attention::Attention;
use gauges::GaugeSampler;
use process_watch::ProcessWatch;
use reaper::Reaper;
use rpc::Api;
use supervisor::Supervisor;

/// Why the service cannot start, or ended.
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
}

/// Starts the background tasks, which end with the shutdown. Does not wait for Redis: every call is refused with UNAVAILABLE
/// until Redis can be reached.
#[must_use]
pub fn build(config: &Config, store: Store, shutdown: &Shutdown) -> Service {
    let background = BackgroundTasks::new("coordination", shutdown);
    let attention = Attention::new();
    supervise(&background, config, &store, &attention, shutdown);
    background.spawn_restarting("process_watch", {
        let (store, shutdown) = (store.clone(), shutdown.clone());
        move || ProcessWatch::new(store.clone(), shutdown.clone()).run()
    });
    background.spawn_restarting("gauges", {
        let (store, shutdown) = (store.clone(), shutdown.clone());
        move || GaugeSampler::new(store.clone(), shutdown.clone()).run()
    });
    Service {
        api: Api {
            store,
            attention,
            background,
            registry_config: config.store.registry,
            lineage: config.tasks.lineage,
            max_dead_letters: config.tasks.max_dead_letters,
            starts_analysis: false,
        },
    }
}

/// The tasks that act where workers or jobs are in trouble, and what says whether there is anything to act on.
fn supervise(
    background: &BackgroundTasks,
    config: &Config,
    store: &Store,
    attention: &Attention,
    shutdown: &Shutdown,
) {
    let (tasks, dead_after) = (config.tasks, config.store.registry.dead_after);
    background.spawn_restarting("attention", {
        let (attention, store, shutdown) = (attention.clone(), store.clone(), shutdown.clone());
        move || attention.clone().run(store.clone(), shutdown.clone())
    });
    background.spawn_restarting("reaper", {
        let (store, shutdown) = (store.clone(), shutdown.clone());
        let attention = attention.clone();
        move || {
            Reaper::new(
                store.clone(),
                dead_after,
                attention.clone(),
                shutdown.clone(),
            )
            .run()
        }
    });
    background.spawn_restarting("supervisor", {
        let (store, shutdown) = (store.clone(), shutdown.clone());
        let attention = attention.clone();
        move || Supervisor::new(store.clone(), &tasks, attention.clone(), shutdown.clone()).run()
    });
}

impl Service {
    /// Says that this process starts a worker for analyses when a task for one waits.
    #[must_use]
    pub fn with_analysis_worker(mut self) -> Self {
        self.api.starts_analysis = true;
        self
    }
}

impl shim_runtime::service::Service for Service {
    fn register(&self, server: Server) -> Server {
        let api = || self.api.clone();
        let state = StateServiceServer::new(api()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let locks = LockServiceServer::new(api()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let bus = BusServiceServer::new(api()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let registry =
            RegistryServiceServer::new(api()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let tasks = TaskServiceServer::new(api()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let Api {
            store, background, ..
        } = &self.api;
        health::report(
            &store.connection,
            &server.readiness(),
            &SERVICE_NAMES,
            background,
        );
        server
            .with(state)
            .with(locks)
            .with(bus)
            .with(registry)
            .with(tasks)
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.api.background.finish())
    }
}

/// The gRPC services whose health is that of the connection to Redis.
const SERVICE_NAMES: [&str; 5] = [
    StateServiceServer::<Api>::NAME,
    LockServiceServer::<Api>::NAME,
    BusServiceServer::<Api>::NAME,
    RegistryServiceServer::<Api>::NAME,
    TaskServiceServer::<Api>::NAME,
];

/// Runs the service as the only one of its process until the shutdown begins, then drains it.
///
/// # Errors
/// If the service cannot start, or its server fails.
pub async fn run(
    config: &Config,
    server: Server,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let store = Store::open_at(&config.store, &shutdown).map_err(StartError::Address)?;
    let service = build(config, store, &shutdown);
    service::serve(&[Box::new(service)], server, listeners, shutdown).await?;
    Ok(())
}
