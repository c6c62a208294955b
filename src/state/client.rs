//! The service of the shared state, and the namespace that a command means.

use tonic::Status;

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::remedies::{Placeholder, shell_word};
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

/// The refusal of a call about an entry.
pub(super) fn refusal(status: Status, key: &str, args: &NamespaceArgs) -> CliError {
    CliError::from(status)
        .about(Placeholder::Key, shell_word(key))
        .about(Placeholder::Namespace, args.flag())
}
