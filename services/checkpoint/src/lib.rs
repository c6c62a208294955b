//! Phase 1 of SHIM: sessions, checkpoints, crash signals and recovery, kept in SQLite.
//!
//! `rpc` decodes and encodes, `domain` decides, `store` commits; `lease` knows which owners live, `janitor` tidies.
//! The crate's README states what it promises.

mod config;
mod domain;
mod error;
mod janitor;
mod lease;
mod metrics;
mod rpc;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shim_proto::checkpoint::v1::checkpoint_service_server::CheckpointServiceServer;
use shim_proto::checkpoint::v1::signal_service_server::SignalServiceServer;
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};

pub use config::{Config, Retention};
pub use domain::risk::RiskLimits;
pub use error::StartError;
pub use store::{BackupError, Integrity, backup, check_integrity};

use lease::{Leases, expiry};
use rpc::Api;
use store::Store;

/// Where the database of a data folder is.
#[must_use]
pub fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join(store::DATABASE)
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
    let folder = data_dir.to_path_buf();
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder)).await;
    let unusable = |reason: String| StartError::Database {
        path: database_path(data_dir).display().to_string(),
        reason,
    };
    let store = opened.map_err(|defect| unusable(defect.to_string()))??;
    let leases = Arc::new(Leases::new(config.lease));
    expiry::inherit_active(&store, &leases)
        .await
        .map_err(|error| unusable(error.to_string()))?;
    tokio::spawn(expiry::run(
        store.clone(),
        Arc::clone(&leases),
        shutdown.clone(),
    ));
    tokio::spawn(janitor::run(
        store.clone(),
        config.retention,
        shutdown.clone(),
    ));
    if shim_runtime::metrics::is_enabled() {
        tokio::spawn(metrics::run(
            store.clone(),
            database_path(data_dir),
            shutdown.clone(),
        ));
    }
    Ok(Service {
        api: Api {
            store,
            leases,
            config: Arc::new(config),
            shutdown: shutdown.clone(),
        },
    })
}

impl Service {
    /// Adds the service's RPCs to a server.
    #[must_use]
    pub fn register(&self, server: Server) -> Server {
        let checkpoint = CheckpointServiceServer::new(self.api.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let signals =
            SignalServiceServer::new(self.api.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        server.with(checkpoint).with(signals)
    }
}

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
    service.register(server).serve(listeners, shutdown).await?;
    Ok(())
}

impl shim_runtime::service::Service for Service {
    fn register(&self, server: Server) -> Server {
        Self::register(self, server)
    }

    fn drain(&self) -> shim_runtime::service::BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
