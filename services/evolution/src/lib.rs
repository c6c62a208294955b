//! Phases 4 and 5 of SHIM: analyzes code, evolves it, writes tests for it, and remembers what became of it.
//!
//! Parsing, linting, transforming and running belong to tools: ESLint, jscodeshift, the TypeScript compiler, oxlint and the
//! users' own test runners. What is worth doing, whether it may be done and whether it held is decided here.

mod analyzer;
mod config;
mod domain;
mod engine;
mod error;
mod evolver;
mod executor;
mod janitor;
mod metrics;
mod patterns;
mod peers;
mod programs;
mod project;
mod readiness;
mod rpc;
mod spans;
mod store;
#[cfg(test)]
mod suite;
mod test_generator;
mod test_runs;
mod tool_host;
mod work_history;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shim_proto::evolution::v1::evolution_service_server::EvolutionServiceServer;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use shim_runtime::service::{self, BoxFuture};
use shim_sqlite::OpenError;
use tonic::server::NamedService;

pub use config::Config;
pub use domain::analysis::sarif::sarif;
pub use error::StartError;
pub use peers::Peers;
pub use shim_sqlite::{BackupError, Incoming, Integrity, RestoreError, backup};
pub use tool_host::{
    OLDEST_MAJOR as OLDEST_NODE, is_installed as tools_installed, parse_version as node_version,
};

use engine::Engine;
use executor::AnalysisExecutor;
use rpc::Api;
use store::Store;

/// Where the database of a data folder is.
#[must_use]
pub fn database_path(data_dir: &Path) -> PathBuf {
    store::SCHEMA.database_path(data_dir)
}

/// Checks the database of a data folder as the service would, which refuses what is not intact. Nothing is changed.
#[must_use]
pub fn inspect(data_dir: &Path) -> Integrity {
    shim_sqlite::inspect(&store::SCHEMA, &database_path(data_dir))
}

/// Databases beside the one in use: damaged ones that were set aside, and those from before a restore.
#[must_use]
pub fn set_aside(data_dir: &Path) -> Vec<PathBuf> {
    shim_sqlite::set_aside(&store::SCHEMA, data_dir)
}

/// Copies a backup into `data_dir` and checks it, beside a service that may run. [`Incoming::put_in_place`] then makes it the
/// database, while no service uses the folder.
///
/// # Errors
/// If the backup cannot be used, or the folder. Nothing has changed then.
pub fn take_in_backup(data_dir: &Path, backup: &Path) -> Result<Incoming, RestoreError> {
    Incoming::take_in(&store::SCHEMA, data_dir, backup)
}

/// The worktrees that are there: each is in use, or was left by a process that was killed and is removed at the next start.
#[must_use]
pub fn worktrees(data_dir: &Path) -> usize {
    let folder = data_dir.join("evolution").join("worktrees");
    folder.read_dir().map_or(0, Iterator::count)
}

/// The running service, ready to be added to a server.
pub struct Service {
    api: Api,
}

/// Opens the database and starts the background tasks, which end with the shutdown.
///
/// # Errors
/// If the data folder or the database cannot be used.
pub async fn build(
    config: Config,
    peers: Peers,
    shutdown: &Shutdown,
) -> Result<Service, StartError> {
    let folder = config.data_dir.clone();
    let unusable = |reason: String| OpenError::database(&database_path(&config.data_dir), &reason);
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder)).await;
    let store = opened.map_err(|defect| unusable(defect.to_string()))??;
    let tasks = BackgroundTasks::new("evolution", shutdown);
    let (kept, stop) = (store.clone(), shutdown.clone());
    tasks.spawn_restarting("evolution_janitor", move || {
        janitor::run(kept.clone(), stop.clone())
    });
    let (opened, background) = (Arc::new(config), tasks.clone());
    let engine = Engine::open(opened, store, peers, &background).map_err(StartError::Folders)?;
    // What a crash left behind is ended before anything begins.
    if let Err(error) = engine.evolver.recover().await {
        tracing::warn!(%error, "evolutions that were being applied stay as they are until the next start");
    }
    Ok(Service {
        api: Api::new(engine, tasks),
    })
}

impl Service {
    /// What does tasks of the kinds `analyze`, `evolve` and `generate_tests`, for a worker of this process.
    #[must_use]
    pub fn executor(&self) -> Arc<dyn shim_work::Executor> {
        Arc::new(AnalysisExecutor::new(self.api.engine.clone()))
    }

    /// How many tasks it does at once.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.api.config.parallel).unwrap_or(1)
    }
}

impl service::Service for Service {
    fn register(&self, server: Server) -> Server {
        let evolution = EvolutionServiceServer::new(self.api.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let Api { engine, tasks, .. } = &self.api;
        let (ready, stop) = (server.readiness(), tasks.shutdown().clone());
        let evolver = engine.evolver.clone();
        tasks.spawn_restarting("evolution_readiness", move || {
            readiness::run(evolver.clone(), NAME, ready.clone(), stop.clone())
        });
        server.with(evolution)
    }

    /// Waits for the background tasks and the streams, whose work ends with the shutdown.
    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.api.tasks.finish().await;
            self.api.engine.host.finish();
        })
    }
}

/// The gRPC service whose health is that of the database.
const NAME: &str = EvolutionServiceServer::<Api>::NAME;

/// Runs the service alone until the shutdown begins, then drains.
///
/// # Errors
/// If it cannot start or its server fails.
pub async fn run(
    config: Config,
    peers: Peers,
    server: Server,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let service = build(config, peers, &shutdown).await?;
    service::serve(&[Box::new(service)], server, listeners, shutdown).await?;
    Ok(())
}
