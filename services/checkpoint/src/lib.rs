//! Phase 1 of SHIM: sessions, checkpoints, crash signals and recovery, kept in SQLite.
//!
//! `rpc` decodes and encodes, `domain` decides, `store` commits; `lease` knows which owners live, `janitor` drops what is old.
//! The crate's README states what it promises.

mod config;
mod domain;
mod error;
mod janitor;
mod lease;
mod metrics;
mod readiness;
mod rpc;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shim_proto::checkpoint::v1::checkpoint_service_server::CheckpointServiceServer;
use shim_proto::checkpoint::v1::observation_service_server::ObservationServiceServer;
use shim_proto::checkpoint::v1::signal_service_server::SignalServiceServer;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use shim_runtime::service::{self, BoxFuture};
use tonic::server::NamedService;

pub use config::{Config, Retention};
pub use domain::observation::due::ObservedPace;
pub use domain::risk::RiskLimits;
pub use domain::seal::SealKey;
pub use error::StartError;
pub use shim_sqlite::{BackupError, Incoming, Integrity, RestoreError, backup, check_integrity};
pub use store::{Fault, MissingNumbers, SealVerdict, VerifyReport, VerifyScope};

use shim_sqlite::OpenError;

use lease::{Leases, expiry};
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

/// The newest file with what the database held when it was removed or replaced under its service.
#[must_use]
pub fn newest_rescued(data_dir: &Path) -> Option<PathBuf> {
    shim_sqlite::newest_rescued(&store::SCHEMA, data_dir)
}

/// Whether a service had a database in `data_dir` before, so that none there is a loss.
#[must_use]
pub fn was_opened(data_dir: &Path) -> bool {
    shim_sqlite::was_opened(&database_path(data_dir))
}

/// What is missing of each session's checkpoints in the database of `data_dir`, read beside a service that uses it.
///
/// # Errors
/// In words, if the database cannot be read.
pub fn missing_numbers(data_dir: &Path) -> Result<Vec<MissingNumbers>, String> {
    store::missing_numbers(&database_path(data_dir)).map_err(|error| error.to_string())
}

/// Reads every row of the database of `data_dir` and checks it, beside a service that uses it. Changes nothing.
///
/// # Errors
/// In words, if the database cannot be opened.
pub fn verify(data_dir: &Path, scope: &VerifyScope) -> Result<VerifyReport, String> {
    store::verify(&database_path(data_dir), scope).map_err(|error| error.to_string())
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
    data_dir: &Path,
    shutdown: &Shutdown,
) -> Result<Service, StartError> {
    let (folder, level) = (data_dir.to_path_buf(), config.zstd_level);
    let unusable = |reason: String| OpenError::database(&database_path(data_dir), &reason);
    let seal_key = config.seal_key(data_dir).map_err(&unusable)?;
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, level, seal_key)).await;
    let store = opened.map_err(|defect| unusable(defect.to_string()))??;
    let sealed = store.begin_seals().await;
    sealed.map_err(|error| unusable(error.to_string()))?;
    let filled = store.fill_conversations().await;
    filled.map_err(|error| unusable(error.to_string()))?;
    let leases = Arc::new(Leases::new(config.lease));
    expiry::inherit_active(&store, &leases)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    let api = Api {
        store,
        leases,
        config: Arc::new(config),
        tasks: BackgroundTasks::new("checkpoint", shutdown),
    };
    start_background(&api, &database_path(data_dir));
    let watched = lease::observed::take_up(api.clone());
    api.tasks.spawn_contained("client_watch", watched);
    Ok(Service { api })
}

/// All of them restart after a panic: without the lease watcher, sessions of lost owners would stay active.
fn start_background(api: &Api, database: &Path) {
    let Api { tasks, config, .. } = api;
    let shutdown = tasks.shutdown();
    let (store, leases, stop) = (api.store.clone(), Arc::clone(&api.leases), shutdown.clone());
    tasks.spawn_restarting("lease_expiry", move || {
        expiry::run(store.clone(), Arc::clone(&leases), stop.clone())
    });
    let (store, retention, stop) = (api.store.clone(), config.retention, shutdown.clone());
    tasks.spawn_restarting("janitor", move || {
        janitor::run(store.clone(), retention, stop.clone())
    });
    if shim_runtime::metrics::is_enabled() {
        let (store, database) = (api.store.clone(), database.to_path_buf());
        let stop = shutdown.clone();
        tasks.spawn_restarting("gauges", move || {
            let store = store.clone();
            let count_sessions = move || {
                let store = store.clone();
                async move { store.count_sessions().await }
            };
            metrics::run(count_sessions, database.clone(), stop.clone())
        });
    }
}

impl service::Service for Service {
    fn register(&self, server: Server) -> Server {
        let checkpoint = CheckpointServiceServer::new(self.api.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let signals =
            SignalServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let observations = ObservationServiceServer::new(self.api.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let Api { store, tasks, .. } = &self.api;
        let (store, ready, stop) = (store.clone(), server.readiness(), tasks.shutdown().clone());
        tasks.spawn_restarting("readiness", move || {
            readiness::run(store.clone(), &SERVICE_NAMES, ready.clone(), stop.clone())
        });
        server.with(checkpoint).with(signals).with(observations)
    }

    /// Waits for the background tasks and the streams; calls in flight go on meanwhile.
    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.api.tasks.finish())
    }
}

/// The gRPC services whose health is that of the database.
const SERVICE_NAMES: [&str; 3] = [
    CheckpointServiceServer::<Api>::NAME,
    SignalServiceServer::<Api>::NAME,
    ObservationServiceServer::<Api>::NAME,
];

/// Runs the service alone until the shutdown begins, then drains.
///
/// # Errors
/// If it cannot start or its server fails.
pub async fn run(
    config: Config,
    data_dir: &Path,
    server: Server,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let service = build(config, data_dir, &shutdown).await?;
    service::serve(&[Box::new(service)], server, listeners, shutdown).await?;
    Ok(())
}
