//! The service of the shared state, and the namespace that a command means.

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::workspace_args::NamespaceArgs;

/// The service and the namespace.
pub(super) struct StateClient {
    pub(super) service: Coordination,
    pub(super) namespace: String,
}

impl StateClient {
    /// Finds the namespace, then the service.
    pub(super) async fn connect(args: &NamespaceArgs, config: &Config) -> Result<Self, CliError> {
        let namespace = args.resolve(config)?;
        let service = connection::coordination(config).await?;
        Ok(Self { service, namespace })
    }
}
