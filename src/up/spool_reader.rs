//! Reads what hooks kept while no stack answered, beside the services.

use std::path::Path;

use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::client::{self, Channel, Endpoint};
use shim_runtime::lifecycle::Shutdown;

use crate::config::Config;
use crate::error::CliError;
use crate::hook::spool::{Spool, reader};
use crate::service::credentials;

/// The spool of the data folder, and the service that its events are for.
pub(super) struct Source {
    spool: Spool,
    service: ObservationServiceClient<Channel>,
}

impl Source {
    /// The configured checkpoint service, else the stack's own behind `socket`.
    ///
    /// # Errors
    /// If the credentials cannot be read.
    pub(super) fn of(config: &Config, socket: &Path) -> Result<Self, CliError> {
        let configured = config.runtime.endpoints.checkpoint.clone();
        let endpoint = configured.unwrap_or_else(|| Endpoint::Unix(socket.to_path_buf()));
        let channel = client::connect(&endpoint, Some(&credentials(config)?))?;
        Ok(Self {
            spool: Spool::of(config.data_dir()),
            service: ObservationServiceClient::new(channel),
        })
    }
}

/// Begins to read; the answer waits for the end, which comes with the shutdown.
pub(super) fn spawn(source: Source, shutdown: &Shutdown) -> BackgroundTasks {
    let tasks = BackgroundTasks::new("hooks", shutdown);
    let stop = shutdown.clone();
    let Source { spool, service } = source;
    tasks.spawn_restarting("hook_spool", move || {
        reader::run(spool.clone(), service.clone(), stop.clone())
    });
    tasks
}
